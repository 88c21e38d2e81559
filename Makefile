# sluice: `make help` lists the targets. What builds the module stands here, tests
# in mk/test.mk, lint in mk/lint.mk.

PREFIX  ?= /usr/local
DESTDIR ?=
LUA     ?= $(or $(shell command -v lua5.4 || { lua -e \
	'assert(_VERSION >= "Lua 5.4")' && command -v lua; } 2>/dev/null),lua5.4)
LUA     := $(LUA)
VERSION := 0.1
CC      ?= cc
CFLAGS  ?= -O2 -g
# Sanitizers for the module itself, as in `make test SAN=address,undefined`.
SAN     ?=
BUILD   ?= $(if $(SAN),build/san,build)

.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: all
all:

# One short line for each thing made; V=1 shows the commands.
ifeq ($(V),)
run = @echo '  $(1) $(patsubst $(BUILD)/%,%,$@)';
endif

# ---- what this machine has ----

OS ?= $(shell uname -s)

# The headers of Lua: those in LUA_INCLUDE, else those of LUA_ABI as pkg-config
# knows them.
LUA_INCLUDE ?=
ifeq ($(LUA_INCLUDE),)
LUA_ABI ?= 5.4
LUA_CFLAGS ?= $(shell pkg-config --cflags lua$(LUA_ABI) 2>/dev/null || \
	pkg-config --cflags lua-$(LUA_ABI) 2>/dev/null || \
	echo -I/usr/include/lua$(LUA_ABI))
else
LUA_CFLAGS ?= -I$(LUA_INCLUDE)
LUA_ABI ?= 5.$(or $(shell echo $$(($$(printf '\043include <lua.h>\n%s\n' \
	LUA_VERSION_NUM | $(CC) -I$(LUA_INCLUDE) -E -P -x c - 2>/dev/null | \
	tail -n 1) - 500))),4)
endif

# A header that was found is noted in a file and not looked for again while compiler
# and flags stay the same; one that was not is looked for each time, as it may have
# been installed. `make probes` forgets the notes.
PROBES := $(BUILD)/probes
-include $(PROBES)
ifneq ($(strip $(FOUND_BY)),$(strip $(CC) $(CPPFLAGS)))
FOUND :=
$(shell mkdir -p $(BUILD) && \
	echo 'FOUND_BY := $(strip $(CC) $(CPPFLAGS))' >$(PROBES))
endif
has_header = $(if $(filter $(1),$(FOUND)),yes,$(shell \
	printf '\043include <%s>\n' $(1) | $(CC) $(CPPFLAGS) -E -x c - \
	>/dev/null 2>&1 && echo 'FOUND += $(1)' >>$(PROBES) && echo yes))

define optional_text
OPTIONAL += $(1)
$(1)_sources := $(sort $(wildcard $(2)))
$(1)_define := -D$(4)=1
$(1)_libs := $(5)
$(1)_test_libs := $(6)
HERE += $(if $(call has_header,$(3)),$(1))
endef
optional = $(eval $(call optional_text,$(1),$(2),$(3),$(4),$(5),$(6)))

# Sources that are built only where their header is found, a line for each:
#
#   name, sources, header, macro, libraries, more libraries for the tests
#
# The macro is defined exactly when the sources are part of the build: test it with
# #ifdef.
$(call optional,epoll,src/io/backends/epoll.c,sys/epoll.h,SL_HAVE_EPOLL)
$(call optional,kqueue,src/io/backends/kqueue.c,sys/event.h,SL_HAVE_KQUEUE)
$(call optional,uring,src/io/backends/uring*.c,liburing.h,SL_HAVE_URING,-luring)
$(call optional,isal,src/codec/isal*.c,isa-l/igzip_lib.h,SL_HAVE_ISAL,-lisal)
$(call optional,brotli,src/codec/brotli.c,brotli/decode.h,SL_HAVE_BROTLI,-lbrotlidec,-lbrotlienc)
$(call optional,zstd,src/codec/zstd.c,zstd.h,SL_HAVE_ZSTD,-lzstd)
$(call optional,psl,src/binding/suffixes.c,libpsl.h,SL_HAVE_PSL,-lpsl)
$(call optional,openssl,src/tls/openssl/*.c,openssl/ssl.h,SL_HAVE_OPENSSL,-lssl -lcrypto)
$(call optional,gnutls,src/tls/gnutls/*.c,gnutls/gnutls.h,SL_HAVE_GNUTLS,-lgnutls)

# What removes codings beside zlib; CODECS= takes none of it, PSL= no list of public
# suffixes. The TLS libraries of the module, the default first; TLS='openssl gnutls'
# takes both.
CODECS ?= $(filter isal brotli zstd,$(HERE))
PSL    ?= $(filter psl,$(HERE))
TLS    ?= $(firstword $(filter openssl gnutls,$(HERE)))
IN_MODULE := $(filter epoll kqueue uring,$(HERE)) $(CODECS) $(PSL) $(TLS)

# The sources, define, libs or test_libs of these names.
of = $(foreach name,$(1),$($(name)_$(2)))

# ---- the module ----

ALL_SOURCES := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
EVERYWHERE  := $(filter-out $(call of,$(OPTIONAL),sources),$(ALL_SOURCES))
SOURCES     := $(EVERYWHERE) $(call of,$(IN_MODULE),sources)
LUA_FILES   := $(sort $(shell find lua -name '*.lua'))
# What a program, or a language server, may ask for before the module is there stays
# a file. The rest of the layer is compiled into the module.
LUA_ENTRIES := $(filter lua/sluice/init.lua lua/sluice/hosts/% lua/sluice/types% \
	lua/sluice/compat/socket_http.lua lua/sluice/compat/resty_http.lua,$(LUA_FILES))
LUA_MODULES := $(filter-out $(LUA_ENTRIES),$(LUA_FILES))
# compiled: by $(LUA), if it is the version of the headers; text: when the module is
# built for a machine with other numbers.
LUA_LAYER   ?= compiled
MODULE      := $(BUILD)/sluice/core.so
OBJECTS     := $(SOURCES:%.c=$(BUILD)/module/%.o) $(BUILD)/module/layer.o

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef
COMMON := -std=c11 -D_GNU_SOURCE= -Isrc $(WARNINGS) -fPIC -pthread -MMD -MP \
	$(CPPFLAGS)
SANITIZED := $(if $(SAN),-fsanitize=$(SAN))
MODULE_FLAGS := $(COMMON) $(call of,$(IN_MODULE),define) $(LUA_CFLAGS) \
	-fvisibility=hidden $(CFLAGS) $(if $(SAN),$(SANITIZED) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -DSL_DEBUG=2,-DSL_DEBUG=0)
MODULE_LIBS := $(call of,$(IN_MODULE),libs) -lz
SHARED := -shared
ifeq ($(OS),Darwin)
SHARED := -bundle -Wl,-undefined,dynamic_lookup
endif

all: $(MODULE)

# Objects are made again when the flags they were made with have changed: each
# stamp is rewritten only when its text differs.
define stamp
.PHONY: FORCE
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(2)' | cmp -s - $$@ || printf '%s\n' '$(2)' >$$@
endef
$(eval $(call stamp,$(BUILD)/module.flags,$(CC) $(MODULE_FLAGS) $(MODULE_LIBS)))
$(eval $(call stamp,$(BUILD)/module.list,$(SOURCES)))
$(eval $(call stamp,$(BUILD)/layer.list,$(LUA) $(LUA_ABI) $(LUA_LAYER) $(LUA_MODULES)))

$(MODULE): $(OBJECTS) $(BUILD)/module.list
	@mkdir -p $(@D)
	$(call run,link)$(CC) $(SHARED) $(SANITIZED) $(LDFLAGS) -pthread -o $@ \
		$(OBJECTS) $(MODULE_LIBS)

# What a build cannot do without is looked for before anything is compiled.
CHECKED := $(BUILD)/checked
$(CHECKED): $(BUILD)/module.flags mk/check
	@mk/check '$(TLS)' '$(LUA)' $(CC) $(filter-out -MMD -MP,$(COMMON)) $(LUA_CFLAGS)
	@touch $@

$(OBJECTS): | $(CHECKED)

$(BUILD)/module/%.o: %.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(MODULE_FLAGS) -c -o $@ $<

$(BUILD)/layer.c: $(LUA_MODULES) mk/modules.lua $(BUILD)/layer.list | $(CHECKED)
	$(call run,lua)$(LUA) mk/modules.lua $(LUA_ABI) $(LUA_LAYER) $(LUA_MODULES) >$@

$(BUILD)/module/layer.o: $(BUILD)/layer.c $(BUILD)/module.flags
	$(call run,cc)$(CC) $(MODULE_FLAGS) -c -o $@ $<

-include $(OBJECTS:.o=.d)

# Where things are installed below DESTDIR: modules in Lua, the module in C, what a
# C host needs, the licence.
LUA_DIR       ?= $(PREFIX)/share/lua/$(LUA_ABI)
LUA_LIBDIR    ?= $(PREFIX)/lib/lua/$(LUA_ABI)
INCLUDE_DIR   ?= $(PREFIX)/include
PKGCONFIG_DIR ?= $(PREFIX)/lib/pkgconfig
DOC_DIR       ?= $(PREFIX)/share/doc/sluice

# Options of install(1), files, directory. No `install -D`: other systems have none.
put = install -d '$(DESTDIR)$(3)' && install $(1) $(2) '$(DESTDIR)$(3)'

.PHONY: install
install: $(MODULE)
	@$(foreach folder,$(sort $(dir $(LUA_ENTRIES))),$(call put,-m 644,$(filter \
		$(addprefix $(folder),$(notdir $(LUA_ENTRIES))),$(LUA_ENTRIES)),$(patsubst \
		%/,%,$(folder:lua/%=$(LUA_DIR)/%))) &&) :
	@$(call put,-m 755,$(MODULE),$(LUA_LIBDIR)/sluice)
	@$(call put,-m 644,src/sluice.h,$(INCLUDE_DIR))
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCLUDE_DIR@|$(INCLUDE_DIR:$(PREFIX)/%=$${prefix}/%)|' \
		-e 's|@LUA_ABI@|$(LUA_ABI)|' -e 's|@VERSION@|$(VERSION)|' \
		src/sluice.pc.in >$(BUILD)/sluice.pc
	@$(call put,-m 644,$(BUILD)/sluice.pc,$(PKGCONFIG_DIR))
	@$(call put,-m 644,LICENSE,$(DOC_DIR))
	@echo '  installed below $(DESTDIR)$(PREFIX)'

.PHONY: demo bench
demo bench:
	@.ci/install build $@
	@$(MAKE) --no-print-directory all
	@LUA='$(LUA)' BUILD='$(BUILD)' $(if $(filter demo,$@),examples/demo,bench/run $(ROUNDS:%=--rounds=%))

.PHONY: clean probes
clean:
	rm -rf $(BUILD)

probes:
	@rm -f $(PROBES)

# Nothing of it is needed to build and install.
ifneq ($(filter-out all install demo bench clean probes help,$(MAKECMDGOALS)),)
include mk/test.mk mk/lint.mk mk/doc.mk mk/pack.mk mk/night.mk
endif

.PHONY: help
help:
	@cat mk/help
