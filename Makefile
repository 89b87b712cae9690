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

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
