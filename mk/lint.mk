# mk/lint.mk - each C file with both compilers, style, include arrows

C_FILES := $(sort $(shell find src spec bench examples -name '*.[ch]'))

LINT_C := $(filter-out $(call of,$(filter-out $(HERE) kqueue,$(OPTIONAL)),sources) \
	$(if $(call has_header,curl/curl.h),,bench/clients/curl.c) \
	$(if $(call has_header,wslay/wslay.h),,bench/clients/ws_wslay.c) \
	$(if $(LLHTTP),,spec/support/llhttp.c),$(filter %.c,$(C_FILES)))
LINT_STAMPS := $(LINT_C:%=$(BUILD)/lint/gcc/%.ok) $(LINT_C:%=$(BUILD)/lint/clang/%.ok)
LINT_FLAGS := $(COMMON) $(call of,$(HERE),define) -I. $(KQUEUE:%=-I%) $(LUA_CFLAGS) -O2 -Werror \
	-fsyntax-only

.PHONY: lint lint-c lint-format lint-lua lint-layers lint-rockspec
lint: lint-c lint-format lint-lua lint-layers lint-rockspec lint-doc

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

# clang-format leaves comments as they are: their width is looked at here.
lint-format:
	@clang-format --dry-run -Werror $(C_FILES)
	@awk 'length > 80 { print FILENAME ":" FNR ": wider than 80 columns"; wide = 1 } \
		END { exit wide }' $(filter-out spec/support/%,$(C_FILES))

lint-lua:
	@luacheck -q --no-color $(wildcard lua spec examples bench .ci)

lint-layers:
	@$(LUA) .ci/layers.lua

lint-rockspec:
	@luarocks --lua-version 5.4 lint rockspec/sluice-scm-1.rockspec

.PHONY: format
format:
	@clang-format -i $(C_FILES)

-include $(LINT_STAMPS:=.d)
