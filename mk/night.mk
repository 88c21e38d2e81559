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

NIGHT_TARGETS ?= analyze deb

.PHONY: night
night:
	@.ci/install build test night
	@MAKE='$(MAKE)' BUILD='$(BUILD)' .ci/test $(NIGHT_TARGETS)
