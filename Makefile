# sluice: `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
LUA     ?= lua5.4
LUA_ABI ?= 5.4
CC      ?= cc
CLANG   ?= clang
CFLAGS  ?= -O2 -g
# Sanitizers for the module itself, as in `make test SAN=address,undefined`; the
# unit tests always have some: these, or the ones named here.
SAN      ?=
UNIT_SAN ?= $(if $(SAN),$(SAN),address,undefined)
BUILD   ?= $(if $(SAN),build/san,build)
# What the specs run as: transport+backend, one whole run for each.
SPEC_MODES ?= stream+epoll stream+poll completion+io_uring completion+epoll \
	completion+threads
# Seconds for each target of `make fuzz`, and for all of them in `make test`.
FUZZ_SECONDS       ?= 60
FUZZ_SHORT_SECONDS ?= 10

.DELETE_ON_ERROR:
.SUFFIXES:

# One short line for each thing made; V=1 shows the commands.
ifeq ($(V),)
run = @echo '  $(1) $(patsubst $(BUILD)/%,%,$@)';
endif

# ---- what this machine has ----

OS := $(shell uname -s)
has_header = $(shell printf '\043include <%s>\n' $(1) | $(CC) $(CPPFLAGS) \
	-E -x c - >/dev/null 2>&1 && echo yes)

LUA_CFLAGS ?= $(shell pkg-config --cflags lua$(LUA_ABI) 2>/dev/null || \
	echo -I/usr/include/lua$(LUA_ABI))

# Files that are built only where they can be. SL_HAVE_* is defined exactly
# when its file is part of the build: test it with #ifdef.
OPTIONAL :=
UNIT_LIBS :=
ifeq ($(OS),Linux)
OPTIONAL += src/io/epoll.c
DEFINES  += -DSL_HAVE_EPOLL=1
ifneq ($(wildcard src/io/uring.c),)
ifeq ($(call has_header,liburing.h),yes)
OPTIONAL += src/io/uring.c src/io/uring_buffers.c
DEFINES  += -DSL_HAVE_URING=1
LIBS     += -luring
endif
endif
else
OPTIONAL += src/io/kqueue.c
DEFINES  += -DSL_HAVE_KQUEUE=1
endif
# What removes codings beside zlib; CODECS= takes none of it.
CODECS_HERE := $(if $(call has_header,isa-l/igzip_lib.h),isal) \
	$(if $(call has_header,brotli/decode.h),brotli) \
	$(if $(call has_header,zstd.h),zstd)
CODECS ?= $(CODECS_HERE)
ifneq ($(filter brotli,$(CODECS)),)
OPTIONAL += src/codec/brotli.c
DEFINES  += -DSL_HAVE_BROTLI=1
LIBS     += -lbrotlidec
UNIT_LIBS += -lbrotlienc
endif
ifneq ($(filter zstd,$(CODECS)),)
OPTIONAL += src/codec/zstd.c
DEFINES  += -DSL_HAVE_ZSTD=1
LIBS     += -lzstd
endif
ifneq ($(filter isal,$(CODECS)),)
OPTIONAL += src/codec/isal.c
DEFINES  += -DSL_HAVE_ISAL=1
LIBS     += -lisal
endif
LIBS += -lz

# The TLS libraries of the module, the default first; TLS='openssl gnutls' takes
# both. The tests try all that are here.
TLS_HERE := $(if $(call has_header,openssl/ssl.h),openssl) \
	$(if $(call has_header,gnutls/gnutls.h),gnutls)
TLS ?= $(firstword $(TLS_HERE))
tls_sources = $(foreach library,$(1),$(wildcard src/tls/$(library)*.c))
tls_defines = $(if $(filter openssl,$(1)),,-DSL_NO_OPENSSL=1) \
	$(if $(filter gnutls,$(1)),-DSL_HAVE_GNUTLS=1)
tls_libs = $(if $(filter openssl,$(1)),-lssl -lcrypto) \
	$(if $(filter gnutls,$(1)),-lgnutls)
OPTIONAL += $(call tls_sources,$(TLS))

CHOSEN_BY_MACHINE := src/io/epoll.c src/io/uring.c src/io/uring_buffers.c \
	src/io/kqueue.c src/io/iocp.c src/codec/brotli.c src/codec/zstd.c src/codec/isal.c \
	$(call tls_sources,openssl gnutls)

# ---- what there is to build ----

ALL_SOURCES  := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
SOURCES      := $(filter-out $(CHOSEN_BY_MACHINE),$(ALL_SOURCES)) \
	$(filter $(ALL_SOURCES),$(OPTIONAL))
CORE_SOURCES := $(sort $(filter-out src/task/% src/binding/%,$(SOURCES)) \
	$(call tls_sources,$(TLS_HERE)))
UNIT_SOURCES := $(filter-out $(if $(filter gnutls,$(TLS_HERE)),, \
	spec/c/tls/gnutls%),$(sort $(wildcard spec/c/*/*_test.c)))
FUZZ_SOURCES := $(sort $(wildcard spec/c/fuzz/*_fuzz.c))
SUPPORT_SOURCES := $(filter-out %_test.c %_fuzz.c, \
	$(sort $(wildcard spec/c/*/*.c)))
# The sources of another parser (Debian's node-llhttp); its spec fails without.
LLHTTP ?= $(wildcard /usr/share/llhttp)
LLHTTP_FLAGS := -isystem $(LLHTTP)/../include/llhttp
SPEC_SOURCES := $(filter-out $(if $(LLHTTP),,spec/support/llhttp.c), \
	$(sort $(wildcard spec/support/*.c)))
C_FILES := $(sort $(shell find src spec bench examples -name '*.[ch]' \
	2>/dev/null))
LUA_FILES := $(sort $(shell find lua -name '*.lua' 2>/dev/null))

MODULE := $(BUILD)/sluice/core.so
UNITS  := $(UNIT_SOURCES:%.c=$(BUILD)/unit/%)
FUZZES := $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/%)
SPEC_MODULES := $(SPEC_SOURCES:spec/%.c=$(BUILD)/%.so) \
	$(if $(filter openssl,$(TLS_HERE)),$(BUILD)/support/tls_peer)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef
COMMON := -std=c11 -D_GNU_SOURCE= -Isrc $(WARNINGS) $(DEFINES) -fPIC -pthread \
	-MMD -MP $(CPPFLAGS)
MODULE_FLAGS := $(COMMON) $(call tls_defines,$(TLS)) $(LUA_CFLAGS) \
	-fvisibility=hidden $(CFLAGS)
ifneq ($(SAN),)
MODULE_FLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -DSL_DEBUG=2
MODULE_LINK  := -fsanitize=$(SAN)
else
MODULE_FLAGS += -DSL_DEBUG=0
endif
TEST_FLAGS := $(COMMON) $(call tls_defines,$(TLS_HERE)) -I. -O1 -g \
	-DSL_DEBUG=2 -fno-omit-frame-pointer -fsanitize=$(UNIT_SAN) -fno-sanitize-recover=all
FUZZ_FLAGS := $(COMMON) $(call tls_defines,$(TLS_HERE)) -I. -O1 -g \
	-DSL_DEBUG=1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINT_FLAGS := $(COMMON) $(call tls_defines,$(TLS_HERE)) -I. $(LUA_CFLAGS) \
	-O2 -Werror -fsyntax-only
SHARED := $(if $(filter Darwin,$(OS)),-bundle -undefined dynamic_lookup,-shared)

# ---- the module ----

.PHONY: all
all: $(MODULE)

# Objects are made again when the flags they were made with have changed: each
# stamp is rewritten only when its text differs.
define stamp
.PHONY: FORCE
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(2)' | cmp -s - $$@ || printf '%s\n' '$(2)' >$$@
endef
$(eval $(call stamp,$(BUILD)/module.flags,$(CC) $(MODULE_FLAGS) $(LIBS)))
$(eval $(call stamp,$(BUILD)/unit.flags,$(CC) $(TEST_FLAGS) $(LIBS) $(UNIT_LIBS)))
$(eval $(call stamp,$(BUILD)/fuzz.flags,$(CLANG) $(FUZZ_FLAGS) $(LIBS)))
$(eval $(call stamp,$(BUILD)/module.list,$(SOURCES)))
$(eval $(call stamp,$(BUILD)/core.list,$(CORE_SOURCES) $(SUPPORT_SOURCES)))

MODULE_OBJECTS := $(SOURCES:%.c=$(BUILD)/module/%.o)

$(MODULE): $(MODULE_OBJECTS) $(BUILD)/module.list
	@mkdir -p $(@D)
	$(call run,link)$(CC) $(SHARED) $(MODULE_LINK) $(LDFLAGS) -pthread -o $@ \
		$(MODULE_OBJECTS) $(LIBS) $(call tls_libs,$(TLS))

$(BUILD)/module/%.o: %.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(MODULE_FLAGS) -c -o $@ $<

# ---- C unit tests: everything below Lua, under ASan and UBSan ----

UNIT_CORE := $(CORE_SOURCES:%.c=$(BUILD)/unit/%.o)
UNIT_SUPPORT := $(SUPPORT_SOURCES:%.c=$(BUILD)/unit/%.o)

.PHONY: unit
unit: $(UNITS)
	@.ci/programs $(UNITS)

$(BUILD)/unit/%.o: %.c $(BUILD)/unit.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(TEST_FLAGS) -c -o $@ $<

$(BUILD)/unit/core.a: $(UNIT_CORE) $(UNIT_SUPPORT) $(BUILD)/core.list
	@rm -f $@
	@ar rcs $@ $(UNIT_CORE) $(UNIT_SUPPORT)

$(UNITS): %: %.o $(BUILD)/unit/core.a
	$(call run,link)$(CC) -fsanitize=$(UNIT_SAN) -pthread -o $@ $< \
		$(BUILD)/unit/core.a $(LIBS) $(UNIT_LIBS) $(call tls_libs,$(TLS_HERE))

# ---- specs ----

.PHONY: spec
spec: $(MODULE) $(SPEC_MODULES)
	@LUA='$(LUA)' BUILD='$(BUILD)' SAN='$(SAN)' CC='$(CC)' \
		.ci/spec $(SPEC_MODES)

# What specs are helped by is no part of the module: no sanitizer, no hiding.
$(BUILD)/support/%.so: spec/support/%.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) $(LUA_CFLAGS) $(CFLAGS) $(SHARED) -o $@ $<

$(BUILD)/support/llhttp.so: spec/support/llhttp.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) -w -DLLHTTP_STRICT_MODE=1 $(LLHTTP_FLAGS) \
		$(LUA_CFLAGS) $(CFLAGS) $(SHARED) -o $@ $< \
		$(LLHTTP)/api.c $(LLHTTP)/http.c $(LLHTTP)/llhttp.c

$(BUILD)/support/tls_peer: spec/support/program/tls_peer.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) $(CFLAGS) -o $@ $< -lssl -lcrypto

# Under the thread sanitizer: the resolver, workers, several states. A ring's memory
# comes and goes by calls that the sanitizer does not see.
TSAN_MODES ?= completion+threads completion+epoll stream+epoll
TSAN_SPECS ?= spec/states_spec.lua spec/transport_spec.lua spec/platform_spec.lua

# Units of what crosses threads.
TSAN_UNITS ?= io/resolve io/backend io/loop io/connect

.PHONY: tsan tsan-short tsan-unit
tsan: tsan-unit
	@SPECS='$(TSAN_SPECS)' SLUICE_SPEC_STREAM_MIB=16 $(MAKE) --no-print-directory \
		SAN=thread BUILD='$(BUILD)/tsan' SPEC_MODES='$(TSAN_MODES)' spec

tsan-unit:
	@$(MAKE) --no-print-directory UNIT_SAN=thread BUILD='$(BUILD)/tsan' \
		UNIT_SOURCES='$(TSAN_UNITS:%=spec/c/%_test.c)' unit

# Names are resolved on threads, operations tried on others: both cross.
tsan-short:
	@SLUICE_SPEC_STATE_REQUESTS=50 $(MAKE) --no-print-directory tsan TSAN_UNITS= \
		TSAN_MODES=completion+threads TSAN_SPECS=spec/states_spec.lua

# ---- specs on other builds, other pools, and what is installed ----

# What most memory passes through.
MEMORY_SPECS ?= spec/get_spec.lua spec/stream_spec.lua spec/ownership_spec.lua \
	spec/transport_spec.lua
MEMORY_MODES ?= stream+epoll completion+io_uring

# Without the libraries that a build may lack.
.PHONY: plain
plain:
	@SPECS='spec/get_spec.lua spec/decode_spec.lua' $(MAKE) --no-print-directory \
		CODECS= BUILD='$(BUILD)/plain' SPEC_MODES=stream+epoll spec

# With the other TLS library.
GNUTLS_SPECS ?= spec/tls_spec.lua spec/certificates_spec.lua \
	spec/tls_ends_spec.lua spec/tls_servers_spec.lua
GNUTLS_MODES ?= stream+epoll

.PHONY: gnutls
gnutls:
	@$(if $(filter gnutls,$(TLS_HERE)),SPECS='$(GNUTLS_SPECS)' $(MAKE) \
		--no-print-directory TLS=gnutls BUILD='$(BUILD)/gnutls' \
		SPEC_MODES='$(GNUTLS_MODES)' spec,echo '0 passed, 0 failed')

.PHONY: poison direct sanitized guard
direct: MEMORY_MODES := stream+epoll
poison direct: $(MODULE) $(SPEC_MODULES)
	@SLUICE_POOL=$@ SPECS='$(MEMORY_SPECS)' LUA='$(LUA)' BUILD='$(BUILD)' \
		.ci/spec $(MEMORY_MODES)

sanitized:
	@SPECS='$(MEMORY_SPECS)' SLUICE_SPEC_STREAM_MIB=16 $(MAKE) --no-print-directory \
		SAN=address,undefined BUILD='$(BUILD)/san' SPEC_MODES='$(MEMORY_MODES)' spec

# The whole suite, each block on pages that vanish at its return; minutes. What counts
# memory is left out: pages are asked for each time.
GUARD_MODES ?= completion+io_uring
guard: $(MODULE) $(SPEC_MODULES)
	@SLUICE_POOL=guard WITHOUT=slabs LUA='$(LUA)' BUILD='$(BUILD)' .ci/spec $(GUARD_MODES)

.PHONY: rock installed
rock: $(SPEC_MODULES)
	@BUILD='$(BUILD)' LUA='$(LUA)' .ci/rock spec/get_spec.lua spec/transport_spec.lua

installed: $(MODULE)
	@rm -rf '$(BUILD)/installed'
	@$(MAKE) --no-print-directory -s install DESTDIR='$(abspath $(BUILD)/installed)' PREFIX=/usr
	@LUA='$(LUA)' .ci/installed '$(abspath $(BUILD)/installed)' /usr

# ---- fuzzing ----

FUZZ_CORE := $(CORE_SOURCES:%.c=$(BUILD)/fuzz/%.o) \
	$(SUPPORT_SOURCES:%.c=$(BUILD)/fuzz/%.o)

# ---- soak: a long run, and a short one for every test ----

SOAK_REQUESTS ?= 200000
SOAK_SHORT_REQUESTS ?= 5000

.PHONY: soak soak-short
soak: $(MODULE) $(SPEC_MODULES)
	@LUA='$(LUA)' BUILD='$(BUILD)' .ci/soak $(SOAK_REQUESTS) $(SPEC_MODES)
	@SLUICE_SPEC_STREAM_MIB=1024 SPECS=spec/transport_spec.lua \
		LUA='$(LUA)' BUILD='$(BUILD)' .ci/spec $(SPEC_MODES)

soak-short: $(MODULE) $(SPEC_MODULES)
	@LUA='$(LUA)' BUILD='$(BUILD)' .ci/soak $(SOAK_SHORT_REQUESTS) $(SPEC_MODES)

.PHONY: fuzz fuzz-short
fuzz: $(FUZZES)
	@BUILD='$(BUILD)' SECONDS_EACH=$(FUZZ_SECONDS) .ci/fuzz $(FUZZES)

fuzz-short: $(FUZZES)
	@BUILD='$(BUILD)' SECONDS_ALL=$(FUZZ_SHORT_SECONDS) .ci/fuzz $(FUZZES)

$(BUILD)/fuzz/%.o: %.c $(BUILD)/fuzz.flags
	@mkdir -p $(@D)
	$(call run,clang)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz/core.a: $(FUZZ_CORE) $(BUILD)/core.list
	@rm -f $@
	@ar rcs $@ $(FUZZ_CORE)

$(FUZZES): %: %.o $(BUILD)/fuzz/core.a
	$(call run,link)$(CLANG) -fsanitize=fuzzer,address,undefined -pthread -o $@ $< \
		$(BUILD)/fuzz/core.a $(LIBS) $(call tls_libs,$(TLS_HERE))

# ---- lint: each C file with both compilers, style, include arrows ----

LINT_C := $(filter-out $(filter-out $(OPTIONAL) \
	$(call tls_sources,$(TLS_HERE)),$(CHOSEN_BY_MACHINE)), \
	$(filter %.c,$(C_FILES)))
ifneq ($(call has_header,curl/curl.h),yes)
LINT_C := $(filter-out bench/clients/curl.c,$(LINT_C))
endif
ifeq ($(LLHTTP),)
LINT_C := $(filter-out spec/support/llhttp.c,$(LINT_C))
endif
LINT_STAMPS := $(LINT_C:%=$(BUILD)/lint/gcc/%.ok) \
	$(LINT_C:%=$(BUILD)/lint/clang/%.ok)

.PHONY: lint lint-c lint-format lint-lua lint-layers lint-rockspec
lint: lint-c lint-format lint-lua lint-layers lint-rockspec

lint-c: $(LINT_STAMPS)

$(eval $(call stamp,$(BUILD)/lint.flags,$(LINT_FLAGS)))

$(BUILD)/lint/%/spec/support/llhttp.c.ok: LINT_FLAGS += $(LLHTTP_FLAGS)

# libcurl's option macros shadow and convert by design; a preloaded malloc has
# no prototype of its own.
$(BUILD)/lint/%/bench/clients/curl.c.ok: LINT_FLAGS += -Wno-conversion -Wno-shadow
$(BUILD)/lint/%/bench/clients/count_malloc.c.ok: \
	LINT_FLAGS += -Wno-missing-prototypes

$(BUILD)/lint/gcc/%.ok: % $(BUILD)/lint.flags
	@mkdir -p $(@D)
	@gcc $(LINT_FLAGS) -MT $@ -MF $@.d $<
	@touch $@

$(BUILD)/lint/clang/%.ok: % $(BUILD)/lint.flags
	@mkdir -p $(@D)
	@$(CLANG) $(LINT_FLAGS) -MT $@ -MF $@.d $<
	@touch $@

lint-format:
	@$(if $(C_FILES),clang-format --dry-run -Werror $(C_FILES))

lint-lua:
	@luacheck -q --no-color $(wildcard lua spec examples bench .ci)

lint-layers:
	@$(LUA) .ci/layers.lua

lint-rockspec:
	@$(LUA) .ci/rockspec.lua check
	@luarocks --lua-version 5.4 lint rockspec/sluice-scm-1.rockspec

.PHONY: format rockspec
format:
	@$(if $(C_FILES),clang-format -i $(C_FILES))

# Writes the list of sources and modules anew.
rockspec:
	@$(LUA) .ci/rockspec.lua write

# ---- all of it ----

# What a sanitized module cannot be loaded by, or has been part of, is left out there.
TEST_TARGETS ?= lint unit spec fuzz-short $(if $(SAN),,plain gnutls poison direct \
	sanitized tsan-short soak-short installed rock demo)

.PHONY: test
test:
	@.ci/install build test
	@MAKE='$(MAKE)' BUILD='$(BUILD)' .ci/test $(TEST_TARGETS)

.PHONY: demo
demo:
	@.ci/install build demo
	@$(MAKE) --no-print-directory all
	@LUA='$(LUA)' BUILD='$(BUILD)' examples/demo

.PHONY: bench
bench:
	@.ci/install build bench
	@$(MAKE) --no-print-directory all
	@LUA='$(LUA)' BUILD='$(BUILD)' bench/run

.PHONY: install
install: $(MODULE)
	@for file in $(LUA_FILES); do \
		install -D -m 644 $$file \
			'$(DESTDIR)$(PREFIX)/share/lua/$(LUA_ABI)/'$${file#lua/} || exit 1; \
	done
	install -D -m 755 $(MODULE) \
		'$(DESTDIR)$(PREFIX)/lib/lua/$(LUA_ABI)/sluice/core.so'
	install -D -m 644 src/sluice.h '$(DESTDIR)$(PREFIX)/include/sluice.h'

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make             build the module under $(BUILD)/'
	@echo 'make demo        build, start nginx, run the examples, stop nginx'
	@echo 'make test        install what is missing; lint, unit, spec, short fuzz'
	@echo 'make unit        C unit tests under ASan and UBSan'
	@echo 'make spec        busted specs, once for each of SPEC_MODES'
	@echo 'make soak        SOAK_REQUESTS requests in each mode, nothing may stay'
	@echo 'make tsan        specs of what crosses threads, under the thread sanitizer'
	@echo 'make guard       all specs over io_uring, pages vanish when a block is given back'
	@echo 'make plain, gnutls, poison, direct, sanitized'
	@echo '                 some specs: without codecs, over GnuTLS, in other pools,'
	@echo '                 under sanitizers'
	@echo 'make rock        specs on what luarocks builds'
	@echo 'make installed   what `make install` puts where'
	@echo 'make fuzz        each fuzz target for FUZZ_SECONDS'
	@echo 'make lint        warnings, formats, luacheck, include arrows, rockspec'
	@echo 'make format      clang-format over all C'
	@echo 'make rockspec    list the sources in the rockspec anew'
	@echo 'make bench       compare with libcurl and wrk (minutes)'
	@echo 'make install     to PREFIX=$(PREFIX) below DESTDIR='
	@echo 'make clean       remove $(BUILD)/'
	@echo 'Options: SAN=address,undefined  TLS=openssl  CODECS=  LUA=  LUA_ABI=  CFLAGS=  BUILD=  V=1'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
