# One Makefile. `make run` and `make test` do all of their own set-up on a fresh Debian 12 machine.
#
#   make run      packages, build, `btcf up` (PORT= STATE= HISTORY=)
#   make test     packages, build, every test; ends with one line of counts
#   make check    the quick part (unit, numeric, shm, lint); check-t nginx, check-pg PostgreSQL, check-e2e whole stacks
#   make bench    performance beside its peers, as ratios
#   make asan tsan fuzz coverage   the same tests under sanitizers; fuzzers with a time budget (FUZZ_SECONDS=)
#   make all module lint fmt headers install clean
#
# BUILD= places the build elsewhere; CC=clang builds with clang; SAN=address,undefined or SAN=thread instruments.

BUILD ?= build
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
PREFIX ?= /usr/local
VERSION := 0.1.0
OPT ?= -O2

# clang counts sign changes as conversions, gcc does not: off in both, so that both judge alike.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion -Wvla -Werror
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CFLAGS := -std=c11 -g $(OPT) $(WARN) $(HARDEN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CPPFLAGS := -D_GNU_SOURCE -Iengine -I$(BUILD)/gen -DBTCF_VERSION='"$(VERSION)"' \
  -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
LDFLAGS := -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
LDLIBS := -lpq -lcurl -ljansson -lconfuse -lcrypto -lz -lcrypt -lsystemd -lnlopt -llapacke -lopenblas -lm

SRC := $(filter-out engine/main.c,$(wildcard engine/*.c engine/*/*.c))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libbtcf.a
BIN := $(BUILD)/btcf

UNIT_SRC := $(wildcard tests/unit/*/test_*.c tests/reference/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)

.PHONY: all
all: $(BIN) module

$(BIN): $(BUILD)/obj/engine/main.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(OBJ) $(BUILD)/obj/gen/migrations.o
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -include engine/core/banned.h $(CFLAGS) -MMD -MP -c -o $@ $<

# Migrations travel inside the binary: name, text and SHA-256 of each file, in order.
$(BUILD)/gen/migrations.c: $(sort $(wildcard engine/store/migrations/*.sql)) engine/store/embed.pl
	@mkdir -p $(@D)
	perl engine/store/embed.pl $(sort $(wildcard engine/store/migrations/*.sql)) > $@.tmp && mv $@.tmp $@

$(BUILD)/obj/gen/migrations.o: $(BUILD)/gen/migrations.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/lib $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(LIB) -lcmocka $(LDLIBS)

-include $(OBJ:.o=.d) $(BUILD)/obj/engine/main.d $(wildcard $(BUILD)/tests/*/*.d $(BUILD)/tests/*/*/*.d)
