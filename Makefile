# p2pconnect: `make demo` shows it, `make test` proves it. See README.md.

B ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
VERSION := 0.1.0
PREFIX ?= /usr/local
comma := ,

LIBS := libmosquitto libcjson libsodium libngtcp2 libngtcp2_crypto_gnutls gnutls nettle miniupnpc
WARN := -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O2 -g
SAN ?= # 1: address and undefined-behaviour sanitizers
SAN_FLAGS := $(if $(strip $(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DP2P_SANITIZED)
# 1: as on a system without epoll, netlink, several datagrams a call and syncfs (peer/README.md)
PORTABLE ?=
PORTABLE_FLAGS := $(if $(strip $(PORTABLE)),-DP2P_NO_EPOLL -DP2P_NO_NETLINK -DP2P_NO_BATCHES -DP2P_NO_SYNCFS)
# AES by Intel's multi-buffer library 1.x or 2.x, where the compiler makes code for amd64 and finds its header: it has no file of
# pkg-config. IPSEC_MB= leaves it out.
hash := \#
ipsec_mb_probe = $(hash)include <intel-ipsec-mb.h>\n$(hash)if !defined __x86_64__ || IMB_VERSION_NUM >= 0x30000\n$(hash)error\n$(hash)endif\n
ifeq ($(origin IPSEC_MB),undefined)
IPSEC_MB := $(if $(strip $(PORTABLE)),,$(shell printf '$(ipsec_mb_probe)' | $(CC) $(CPPFLAGS) -E -xc - >/dev/null 2>&1 && echo 1))
endif
IPSEC_MB_FLAGS := $(if $(strip $(IPSEC_MB)),-DP2P_IPSEC_MB)
IPSEC_MB_LIBS := $(if $(strip $(IPSEC_MB)),-lIPSec_MB)
# Empty where the libraries are missing: `make demo` and `make test` install them and start again.
PKG_CFLAGS := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(LIBS) 2>/dev/null)
CFLAGS_ALL = $(WARN) $(OPT) -fPIC -fvisibility=hidden -pthread -D_GNU_SOURCE -DP2P_VERSION='"$(VERSION)"' \
	$(SAN_FLAGS) $(PORTABLE_FLAGS) $(IPSEC_MB_FLAGS) $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LDLIBS_ALL = $(LDFLAGS) $(PKG_LIBS) $(IPSEC_MB_LIBS) -pthread $(LDLIBS)
TEST_LIBS = $(shell pkg-config --cflags --libs cmocka)

# A floor sees itself and the floors below: an include upward does not build.
INC_stun := -Istun
INC_signaling := -Isignaling -Istun
INC_peer := -Ipeer -Isignaling -Istun
INC_cli := -Ipeer/cli -Ipeer -Isignaling -Istun

STUN_SRC := $(wildcard stun/*.c)
SIGNALING_SRC := $(wildcard signaling/*.c)
PEER_SRC := $(filter-out $(if $(IPSEC_MB_FLAGS),,peer/gcm.c),$(wildcard peer/*.c))
CLI_SRC := $(wildcard peer/cli/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))

.PHONY: all
all: $(B)/p2pconnect $(B)/libp2pconnect.a $(B)/libp2pconnect.so

# Two chats meet through a broker and a STUN server of this machine, then 200 MB go through a pipe.
.PHONY: demo
demo:
	@tests/setup.sh demo
	@$(MAKE) -s --no-print-directory -j2 all B=$(B)
	@python3 examples/demo.py --build $(B)

# Everything that can be proven without the internet, in minutes. ONLY=pattern: a part of it.
ONLY ?=
.PHONY: test
test:
	@tests/setup.sh test
	@python3 tests/run.py '$(ONLY)'

.PHONY: setup
setup:
	@tests/setup.sh all

$(B)/stun/%.o: stun/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_stun) -MMD -c -o $@ $<
$(B)/signaling/%.o: signaling/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_signaling) -MMD -c -o $@ $<
$(B)/peer/cli/%.o: peer/cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_cli) -MMD -c -o $@ $<
$(B)/peer/%.o: peer/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_peer) -MMD -c -o $@ $<

# One archive a floor, so that a floor's tests need nothing from above it.
$(B)/stun.a: $(call obj,$(STUN_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/signaling.a: $(call obj,$(SIGNALING_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/peer.a: $(call obj,$(PEER_SRC))
	rm -f $@ && ar rcs $@ $^
# Of the command, what can be tested without running it.
$(B)/cli.a: $(call obj,$(filter-out peer/cli/main.c,$(CLI_SRC)))
	rm -f $@ && ar rcs $@ $^
$(B)/libp2pconnect.a: $(call obj,$(STUN_SRC) $(SIGNALING_SRC) $(PEER_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/libp2pconnect.so: $(call obj,$(STUN_SRC) $(SIGNALING_SRC) $(PEER_SRC))
	$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,libp2pconnect.so.0 -o $@ $^ $(LDLIBS_ALL)
	ln -sf libp2pconnect.so $(B)/libp2pconnect.so.0
$(B)/p2pconnect: $(call obj,$(CLI_SRC)) $(B)/libp2pconnect.a
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# tests/unit/test_FILE.c tests FILE.c and links the lowest floors that suffice.
# A test with fail_alloc.h has its allocations, and those of what it tests, go through that; one with full_socket.h its sendmsg.
wrap = $(shell grep -q '"fail_alloc.h"' $(1) && echo -Wl$(comma)--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup) \
	$(shell grep -q '"full_socket.h"' $(1) && echo -Wl$(comma)--wrap=sendmsg)
$(B)/unit/%: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_cli) -Itests -MMD -MF $@.d -o $@ $< $(call wrap,$<) $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS_ALL) -lm $(TEST_LIBS)

UNIT_SRC := $(wildcard tests/unit/test_*.c)
unit = $(patsubst $(1)/%.c,$(B)/unit/test_%,$(filter $(patsubst tests/unit/test_%.c,$(1)/%.c,$(UNIT_SRC)),$(2)))
$(call unit,stun,$(STUN_SRC)): $(B)/stun.a
$(call unit,signaling,$(SIGNALING_SRC)): $(B)/signaling.a $(B)/stun.a
$(call unit,peer,$(PEER_SRC)): $(B)/peer.a $(B)/signaling.a $(B)/stun.a
$(call unit,peer/cli,$(CLI_SRC)): $(B)/cli.a $(B)/peer.a $(B)/signaling.a $(B)/stun.a
# More tests of mqtt.c.
$(B)/unit/test_mqtt_tls $(B)/unit/test_mqtt_fake: $(B)/signaling.a $(B)/stun.a
# A node needs a world around it: the simulator's.
$(B)/unit/test_node: $(patsubst %,$(B)/sim/%.o,world sim_nat nat_kinds player)
# So does a mapping's life: a NAT that forgets.
$(B)/unit/test_nat_life: $(B)/sim/sim_nat.o $(B)/sim/nat_kinds.o
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

.PHONY: unit unit-build $(UNIT:%=%.run)
unit-build: $(UNIT)
unit: $(UNIT:%=%.run)
$(UNIT:%=%.run): %.run: %
	@echo "== $<"; LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0 $< 2>&1

# A peer that says what it is told.
$(B)/adversary/%: tests/adversary/%.c $(B)/libp2pconnect.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Ipeer -o $@ $< $(B)/libp2pconnect.a $(LDLIBS_ALL)

# A room full of nodes, for the bench.
$(B)/bench/crowd: tests/bench/crowd.c $(B)/peer.a $(B)/signaling.a $(B)/stun.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_peer) -o $@ $^ $(LDLIBS_ALL)

$(B)/lab/%: tests/lab/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $< -pthread

# tests/fuzz/fuzz_FILE.c feeds FILE.c (fuzz_stun all of stun/) and links the floors that suffice, compiled by clang
# with the fuzzer's instrumentation. `make fuzz SECONDS=60` runs each for so long; its corpus is tests/fuzz/corpus/FILE.
SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_FLAGS = $(CFLAGS_ALL) -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
fuzz_of = $(filter $(patsubst $(1)/%.c,$(B)/fuzz/fuzz_%,$(2)),$(FUZZ))
FUZZ_STUN := $(filter %/fuzz_stun,$(FUZZ)) $(call fuzz_of,stun,$(STUN_SRC))
FUZZ_SIGNALING := $(filter-out $(FUZZ_STUN),$(call fuzz_of,signaling,$(SIGNALING_SRC)))
FUZZ_CLI := $(call fuzz_of,peer/cli,$(CLI_SRC))
fuzz_obj = $(patsubst %.c,$(B)/fuzz/%.o,$(1))

$(B)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined $(INC_$(firstword $(subst /, ,$*))) -MMD -c -o $@ $<
$(B)/fuzz/stun.a: $(call fuzz_obj,$(STUN_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/fuzz/signaling.a: $(call fuzz_obj,$(SIGNALING_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/fuzz/peer.a: $(call fuzz_obj,$(PEER_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/fuzz/cli.a: $(call fuzz_obj,$(filter-out peer/cli/main.c,$(CLI_SRC)))
	rm -f $@ && ar rcs $@ $^
$(FUZZ_SIGNALING): $(B)/fuzz/signaling.a
$(FUZZ_CLI): $(B)/fuzz/cli.a
$(filter-out $(FUZZ_STUN) $(FUZZ_SIGNALING),$(FUZZ)): $(B)/fuzz/peer.a $(B)/fuzz/signaling.a
$(FUZZ): $(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/stun.a
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined $(INC_cli) -Itests -MMD -MF $@.d -o $@ $< \
		$(filter %/cli.a,$^) $(filter %/peer.a,$^) $(filter %/signaling.a,$^) $(filter %/stun.a,$^) $(LDLIBS_ALL)

.PHONY: fuzz
fuzz: $(FUZZ)
	@tests/fuzz/run $(SECONDS) $(FUZZ)

# The machines: no system call, no clock, no randomness of their own. `make lint` proves it of their objects.
PURE_SRC := $(STUN_SRC) $(filter-out signaling/mqtt% signaling/worker.c signaling/bell.c,$(SIGNALING_SRC)) \
	$(filter $(patsubst %,peer/%%.c,broker_path bucket candidate ice punch path quic conn node label),$(PEER_SRC))

.PHONY: lint
lint: $(call obj,$(PURE_SRC)) $(B)/p2pconnect.3
	@CC='$(CC)' WARN='$(WARN)' CPPFLAGS='-D_GNU_SOURCE $(shell pkg-config --cflags $(LIBS) cmocka)' MANUAL=$(B)/p2pconnect.3 tests/lint/run \
		$(filter %.o,$^)

# An internet in memory, in virtual time; SEEDS a scenario (0: as many as each asks for), SIM=pattern: a part.
# What random pairs of networks gave (SIM=networks) is a table, build/sim/networks.json and networks.svg.
SEEDS ?= 0
SIM ?=
SIM_OBJ := $(patsubst tests/sim/%.c,$(B)/sim/%.o,$(wildcard tests/sim/*.c))
$(B)/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_peer) -Itests/sim -MMD -c -o $@ $<
$(B)/sim/sim: $(SIM_OBJ) $(B)/peer.a $(B)/signaling.a $(B)/stun.a
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
.PHONY: sim sim-build
sim-build: $(B)/sim/sim
sim: sim-build
	@rm -f $(B)/sim/networks-?.jsonl
	@run() { $(B)/sim/sim --seeds $(SEEDS) --part $$1/2 --record $(B)/sim/networks-$$1.jsonl $(SIM); }; \
		run 1 & first=$$!; run 2; second=$$?; wait $$first; first=$$?; \
		python3 tests/sim/networks.py $(B)/sim $(B)/sim/networks-1.jsonl $(B)/sim/networks-2.jsonl && \
		[ $$first = 0 ] && [ $$second = 0 ]

# The public header alone: as C11 and as C++.
.PHONY: header-test
header-test:
	@$(CC) $(WARN) -pedantic -fsyntax-only -x c peer/p2pconnect.h
	@g++ -std=c++11 -Wall -Wextra -Werror -pedantic -fsyntax-only -x c++ peer/p2pconnect.h
	@echo "2 passed, 0 failed, 0 skipped"

# Kernel NATs, real servers, the real command, and a minute of flood; RUNS of every pair, LAB=pattern: a part.
LAB ?=
RUNS ?= 5
.PHONY: lab
lab:
	@tests/setup.sh test
	@$(MAKE) -s --no-print-directory -j2 all $(B)/lab/delay B=$(B)
	@python3 tests/lab/lab.py --build $(B) --runs $(RUNS) --resume $(LAB)
	@$(if $(LAB),,python3 tests/adversary/run.py --build $(B) a_transfer_keeps_its_rate_in_a_flood)

# Brokers, peers and strangers that mean it ill; ADVERSARY=--quick: the short of it, or a pattern.
ADVERSARY ?=
.PHONY: adversary
adversary:
	@tests/setup.sh test
	@$(MAKE) -s --no-print-directory -j2 all $(B)/adversary/raw_streams $(B)/unit/test_file_store B=$(B)
	@RACES=100000 $(B)/unit/test_file_store
	@python3 tests/adversary/run.py --build $(B) $(ADVERSARY)

BENCH ?=
.PHONY: bench
bench:
	@tests/setup.sh test
	@$(MAKE) -s --no-print-directory -j2 all $(B)/lab/delay B=$(B)
	@python3 tests/bench/bench.py --build $(B) $(BENCH)

# Installing: `make install`, `make dist`, `make deb`, `make static`.
include peer/packaging/install.mk

# The examples stand on the public header alone, as a program outside the tree would.
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))
$(B)/examples/include/p2pconnect.h: peer/p2pconnect.h
	@mkdir -p $(@D)
	@cp $< $@
$(B)/examples/%: examples/%.c $(B)/examples/include/p2pconnect.h $(B)/libp2pconnect.a
	$(CC) $(WARN) $(OPT) $(SAN_FLAGS) $(CFLAGS) -D_GNU_SOURCE -I$(B)/examples/include -o $@ $< $(B)/libp2pconnect.a $(LDLIBS_ALL)
.PHONY: examples
examples: $(EXAMPLES)

# Sanitized objects do not mix with others, nor do portable ones: where a switch has changed, a folder's are all made again.
# Each compiler has sanitizers of its own. The file is new only then. (+: looked at by make -n, too, which else took it for changed.)
SWITCHES = $(strip $(if $(SAN_FLAGS),$(CC) $(SAN_FLAGS)) $(PORTABLE_FLAGS) $(IPSEC_MB_FLAGS))
$(B)/switches: FORCE
	+@mkdir -p $(@D); echo '$(SWITCHES)' | cmp -s - $@ || echo '$(SWITCHES)' >$@
SWITCHED_SRC := $(STUN_SRC) $(SIGNALING_SRC) $(PEER_SRC) $(CLI_SRC)
$(call obj,$(SWITCHED_SRC)) $(call fuzz_obj,$(SWITCHED_SRC)) $(SIM_OBJ) $(UNIT) $(FUZZ) $(B)/lab/delay: $(B)/switches

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B) -path $(B)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
