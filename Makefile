# One Makefile. `make run` and `make test` do all of their own set-up on a fresh Debian 12 machine.
#
#   make run        packages, build, then btcf up (PORT= STATE= HISTORY=file.csv)
#   make test       packages, build, then every test; ends with one line of counts
#
#   make all        the engine (build/btcf) and the nginx module
#   make module     the nginx module alone, against the headers of the packaged nginx
#   make check      the quick tests: lint, unit, reference, shm
#   make check-t    the nginx tests; check-pg: PostgreSQL; check-e2e: whole stacks
#   make accuracy   walk-forward on the development data, scored: the tables of docs/MODELS.md
#   make bench      performance beside its peers, as ratios
#   make asan       unit, reference and shm under ASan+UBSan, and the nginx tests on an nginx built with them
#   make tsan       the shared memory tests as threads under TSan
#   make fuzz       every fuzzer for FUZZ_SECONDS= each (default 60)
#   make coverage   line coverage of the C tests, by file
#   make lint       layers, headers, sizes, marks, layout; make headers: each header alone
#   make fmt        lets clang-format lay out engine/ and tests/
#   make install    to DESTDIR=/PREFIX=; make uninstall
#   make clean      removes the build
#
# BUILD= places the build elsewhere; CC=clang builds with clang; SAN=address,undefined or SAN=thread instruments.
# V=1 shows the commands in full, make -s shows nothing but errors.

BUILD ?= build
# One name for the folder: another would be other flags, and everything would be compiled again.
ifneq ($(filter $(CURDIR)/%,$(BUILD)),)
$(error BUILD=$(BUILD) lies in this folder: name it relative to it)
endif
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
PREFIX ?= /usr/local
NGINX_SRC ?= /usr/share/nginx/src
NGINX_MODULES_DIR ?= /usr/lib/nginx/modules
FUZZ_SECONDS ?= 60
VERSION := 0.1.0
OPT ?= -O2

# clang counts sign changes as conversions, gcc does not: off in both, so that both judge alike.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion -Wvla -Werror
# Fortified functions hide overflows from sanitizers, so a build has one or the other.
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN)$(COVERAGE),,-D_FORTIFY_SOURCE=2)
INSTRUMENT := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer) \
  $(if $(COVERAGE),--coverage -fprofile-update=atomic)
CFLAGS := -std=c11 -g $(OPT) $(WARN) $(HARDEN) $(INSTRUMENT)
CPPFLAGS := -D_GNU_SOURCE -Iengine -I$(BUILD)/gen -DBTCF_VERSION='"$(VERSION)"' \
  -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(INSTRUMENT)
# LAPACK is the reference implementation, linked in: whatever the machine's alternatives say (Debian's usual OpenBLAS starts threads
# when it is loaded, and computes differently from one processor to the next), a process of ours has one thread and one answer.
MULTIARCH := $(shell $(CC) -print-multiarch)
LAPACK := -l:liblapacke.a -L/usr/lib/$(MULTIARCH)/lapack -L/usr/lib/$(MULTIARCH)/blas -l:liblapack.a -l:libblas.a \
  -l:libgfortran.so.5
LDLIBS := -lpq -lcurl -ljansson -ljwt -lconfuse -lcrypto -lz -lcrypt -lsystemd -lnlopt $(LAPACK) -lm

# Stands before a command and says in a line what is made: $(call quiet,CC ,engine/core/err.c).
SILENT := $(findstring s,$(firstword -$(MAKEFLAGS)))
quiet = $(if $(filter 1,$(V)),,@$(if $(SILENT),,$(info $()  $(1) $(2))))

SRC := $(filter-out engine/main.c,$(wildcard engine/*.c engine/*/*.c))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libbtcf.a
BIN := $(BUILD)/btcf
MODULE := $(BUILD)/ngx_http_btcf_module.so

# Every test program is one file. Unit and reference tests speak TAP through cmocka; those of tests/shm by themselves.
TEST_SRC := $(wildcard tests/unit/*/test_*.c tests/reference/test_*.c tests/shm/*.c)
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/%)
FUZZ_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
HEADERS := $(wildcard engine/*/*.h)
FORMATTED := $(wildcard engine/*.[ch] engine/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

.PHONY: all
all: $(BIN) module

.PHONY: run test
run:
	conf/packages.sh run
	$(MAKE) --no-print-directory all
	exec $(BIN) up $(if $(STATE),--state $(STATE)) $(if $(PORT),--port $(PORT)) $(if $(HISTORY),--history $(HISTORY))

test:
	conf/packages.sh test
	$(MAKE) --no-print-directory all
	tests/run

# What was compiled with other flags is compiled again.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','"'"',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','"'"',$(FLAGS))' > $@
.PHONY: FORCE
FORCE:

$(BIN): $(BUILD)/obj/engine/main.o $(LIB)
	$(call quiet,LD ,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(OBJ) $(BUILD)/obj/gen/migrations.o $(BUILD)/obj/gen/conf_files.o
	@rm -f $@
	$(call quiet,AR ,$@)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC ,$<)$(CC) $(CPPFLAGS) -include engine/core/banned.h $(CFLAGS) -MMD -MP -c -o $@ $<

# Migrations travel inside the binary: name, text and SHA-256 of each file, in order.
MIGRATIONS := $(sort $(wildcard engine/store/migrations/*.sql))
$(BUILD)/gen/migrations.c: engine/store/embed.pl $(MIGRATIONS)
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)perl $< $(MIGRATIONS) > $@.tmp && mv $@.tmp $@

# So do the parts of nginx's configuration that `btcf up` needs.
CONF_FILES := conf/http.conf conf/routes.conf conf/control.conf conf/scgi_params.btcf
$(BUILD)/gen/conf_files.c: engine/cmd/embed.pl $(CONF_FILES)
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)perl $< $(CONF_FILES) > $@.tmp && mv $@.tmp $@

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC ,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

.PHONY: tests
tests: $(TEST_BIN)

$(BUILD)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(call quiet,CC ,$<)$(CC) $(CPPFLAGS) -Itests/lib $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(LIB) -lcmocka $(LDLIBS)

# tests/run builds these with CC=clang in a folder of their own.
.PHONY: fuzzers
fuzzers: $(FUZZ_BIN)
$(FUZZ_BIN): LDFLAGS += -fsanitize=fuzzer

.PHONY: module
module: $(if $(wildcard config),$(MODULE))

# nginx's own configure, out of tree, with the flags that the packaged nginx was built with: that is what makes a module
# loadable. Its source folder stays as it is. -Bsymbolic-functions: the module's files call each other directly.
NGINX_OBJ := $(abspath $(BUILD))/nginx
$(NGINX_OBJ)/Makefile: config
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)cd $(NGINX_SRC) && bash -c '. ./conf_flags && ./configure --with-cc=$(CC) \
	  --with-cc-opt="-g -O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2" \
	  --with-ld-opt="-Wl,-z,relro -Wl,-z,now -Wl,-Bsymbolic-functions -fPIC" "$${NGX_CONF_FLAGS[@]}" \
	  --add-dynamic-module=$(CURDIR) --builddir=$(NGINX_OBJ)' > $(NGINX_OBJ)/configure.log 2>&1 || \
	  { cat $(NGINX_OBJ)/configure.log; rm -f $@; exit 1; }
	@touch $@

$(MODULE): $(NGINX_OBJ)/Makefile $(wildcard ngx_btcf_module/*.[ch] engine/shm/*.[ch] engine/jose/*.[ch] engine/crypto/api_key.[ch]) engine/core/base.h
	$(call quiet,CC ,ngx_btcf_module)$(MAKE) -s -C $(NGINX_SRC) -f $(NGINX_OBJ)/Makefile modules
	$(call quiet,LD ,$@)cp $(NGINX_OBJ)/ngx_http_btcf_module.so $@

.PHONY: check check-t check-pg check-e2e asan tsan fuzz lint bench
check: $(BIN)
	tests/run lint unit reference shm
check-t: all
	tests/run t t-h2
check-pg: $(BIN)
	tests/run pg
check-e2e: all
	tests/run e2e
asan:
	tests/run asan nginx-asan
tsan:
	tests/run tsan
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz
lint:
	tests/run lint
bench: all
	conf/packages.sh bench
	tests/load/bench

.PHONY: accuracy
accuracy: $(BIN)
	BUILD=$(BUILD) tests/reference/accuracy.sh

.PHONY: coverage
coverage:
	BUILD=$(BUILD)/coverage tests/run --make 'COVERAGE=1 OPT=-O0' unit reference shm pg
	gcovr -r . --object-directory $(BUILD)/coverage -f 'engine/' --txt --print-summary

.PHONY: headers fmt
headers: $(HEADERS:%=$(BUILD)/headers/%.ok)
$(BUILD)/headers/%.ok: % $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC ,$<)$(CC) $(CPPFLAGS) $(WARN) -std=c11 -fsyntax-only -x c $<
	@touch $@

fmt:
	clang-format -i $(FORMATTED)

.PHONY: install uninstall
install: all
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/btcf
	install -D -m 0644 $(MODULE) $(DESTDIR)$(NGINX_MODULES_DIR)/ngx_http_btcf_module.so
	install -d $(DESTDIR)$(PREFIX)/share/btcf
	install -m 0644 $(wildcard conf/*.conf conf/*.btcf) $(DESTDIR)$(PREFIX)/share/btcf

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/btcf $(DESTDIR)$(NGINX_MODULES_DIR)/ngx_http_btcf_module.so
	rm -rf $(DESTDIR)$(PREFIX)/share/btcf

.PHONY: clean help print-libraries
print-libraries:
	@echo $(LDLIBS)

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#   make/make/p' Makefile

-include $(OBJ:.o=.d) $(BUILD)/obj/engine/main.d $(TEST_BIN:=.d) $(FUZZ_BIN:=.d)
