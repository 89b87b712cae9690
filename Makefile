# p2pconnect: `make demo` shows it, `make test` proves it. See README.md.

B ?= build
CC ?= gcc
VERSION := 0.1.0
PREFIX ?= /usr/local

LIBS := libmosquitto libcjson libsodium libngtcp2 libngtcp2_crypto_gnutls gnutls nettle
WARN := -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O2 -g
SAN ?=
SAN_FLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
comma := ,
CFLAGS_ALL = $(WARN) $(OPT) -fPIC -fvisibility=hidden -pthread -D_GNU_SOURCE -DP2P_VERSION='"$(VERSION)"' \
	$(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer) \
	$(shell pkg-config --cflags $(LIBS)) $(CFLAGS)
LDLIBS_ALL = $(shell pkg-config --libs $(LIBS)) -pthread $(LDLIBS)
TEST_LIBS = $(shell pkg-config --cflags --libs cmocka)

# A floor sees itself and the floors below: an include upward does not build.
INC_stun := -Istun
INC_signaling := -Isignaling -Istun
INC_peer := -Ipeer -Isignaling -Istun
INC_cli := -Ipeer/cli -Ipeer -Isignaling -Istun

STUN_SRC := $(wildcard stun/*.c)
SIGNALING_SRC := $(wildcard signaling/*.c)
PEER_SRC := $(wildcard peer/*.c)
CLI_SRC := $(wildcard peer/cli/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))

.PHONY: all
all: $(B)/p2pconnect $(B)/libp2pconnect.a $(B)/libp2pconnect.so

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
$(B)/libp2pconnect.a: $(call obj,$(STUN_SRC) $(SIGNALING_SRC) $(PEER_SRC))
	rm -f $@ && ar rcs $@ $^
$(B)/libp2pconnect.so: $(call obj,$(STUN_SRC) $(SIGNALING_SRC) $(PEER_SRC))
	$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,libp2pconnect.so.0 -o $@ $^ $(LDLIBS_ALL)
$(B)/p2pconnect: $(call obj,$(CLI_SRC)) $(B)/libp2pconnect.a
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# tests/unit/test_FILE.c tests FILE.c and links the lowest floors that suffice.
# A test with fail_alloc.h has its allocations, and those of what it tests, go through that.
wrap = $(shell grep -q '"fail_alloc.h"' $(1) && echo -Wl$(comma)--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)
$(B)/unit/%: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(INC_peer) -Itests -MMD -MF $@.d -o $@ $< $(call wrap,$<) $(filter %.a,$^) $(LDLIBS_ALL) $(TEST_LIBS)

UNIT_SRC := $(wildcard tests/unit/test_*.c)
unit = $(patsubst $(1)/%.c,$(B)/unit/test_%,$(filter $(patsubst tests/unit/test_%.c,$(1)/%.c,$(UNIT_SRC)),$(2)))
$(call unit,stun,$(STUN_SRC)): $(B)/stun.a
$(call unit,signaling,$(SIGNALING_SRC)): $(B)/signaling.a $(B)/stun.a
$(call unit,peer,$(PEER_SRC)): $(B)/peer.a $(B)/signaling.a $(B)/stun.a
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

.PHONY: unit
unit: $(UNIT)
	@set -e; for test in $(UNIT); do echo "== $$test"; $$test; done

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
$(FUZZ_SIGNALING): $(B)/fuzz/signaling.a
$(filter-out $(FUZZ_STUN) $(FUZZ_SIGNALING),$(FUZZ)): $(B)/fuzz/peer.a $(B)/fuzz/signaling.a
$(FUZZ): $(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/stun.a
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined $(INC_peer) -Itests -MMD -MF $@.d -o $@ $< \
		$(filter %/peer.a,$^) $(filter %/signaling.a,$^) $(filter %/stun.a,$^) $(LDLIBS_ALL)

.PHONY: fuzz
fuzz: $(FUZZ)
	@tests/fuzz/run $(SECONDS) $(FUZZ)

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
