# mk/test.mk - units, specs, fuzzing, soaks, and all of it

CLANG ?= clang
# The unit tests always have sanitizers: those of the module, or the ones named here.
UNIT_SAN ?= $(if $(SAN),$(SAN),address,undefined)
# The modes of the specs, transport+backend: one run for each, and one for what does
# not depend on it. MODE names a single one.
SPEC_MODES ?= $(if $(MODE),$(MODE),once stream+epoll stream+poll \
	completion+io_uring completion+epoll completion+threads)
# What a module for a few specs is compiled with: little is gained by optimizing it.
QUICK_CFLAGS ?= -O1 -g
# Seconds for each target of `make fuzz`, and for all of them in `make test`.
FUZZ_SECONDS       ?= 60
FUZZ_SHORT_SECONDS ?= 10

# ---- what is tested: everything this machine can build, except the binding ----

# A kqueue where the system has none is the tests' own, over epoll.
KQUEUE := $(if $(filter kqueue,$(HERE)),,spec/c/support/kqueue)
IN_TESTS := $(filter epoll kqueue uring openssl gnutls,$(HERE) $(if $(KQUEUE),kqueue)) \
	$(CODECS)
TEST_LIBS := $(call of,$(IN_TESTS),libs) $(call of,$(IN_TESTS),test_libs) -lz
CORE_SOURCES := $(filter-out src/task/% src/binding/%,$(EVERYWHERE)) \
	$(call of,$(IN_TESTS),sources)
SUPPORT_SOURCES := $(KQUEUE:%=%/kqueue.c) $(filter-out %_test.c %_fuzz.c,$(sort $(wildcard spec/c/*/*.c)))
# Without a TLS library its wing has no tests either.
UNIT_SOURCES := $(filter-out $(patsubst %,spec/c/tls/%/%,$(filter-out $(HERE), \
	openssl gnutls)),$(sort $(wildcard spec/c/*/*_test.c spec/c/*/*/*_test.c)))
FUZZ_SOURCES := $(sort $(wildcard spec/c/fuzz/*_fuzz.c))

UNITS  := $(UNIT_SOURCES:%.c=$(BUILD)/unit/%)
FUZZES := $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/%)

TEST_FLAGS := $(COMMON) $(call of,$(IN_TESTS),define) -I. $(KQUEUE:%=-I%) -O1 -g \
	-fno-omit-frame-pointer -fno-sanitize-recover=all
UNIT_FLAGS := $(TEST_FLAGS) -DSL_DEBUG=2 -fsanitize=$(UNIT_SAN)
FUZZ_FLAGS := $(TEST_FLAGS) -DSL_DEBUG=1 -fsanitize=address,undefined

$(eval $(call stamp,$(BUILD)/unit.flags,$(CC) $(UNIT_FLAGS) $(TEST_LIBS)))
$(eval $(call stamp,$(BUILD)/fuzz.flags,$(CLANG) $(FUZZ_FLAGS) $(TEST_LIBS)))
$(eval $(call stamp,$(BUILD)/core.list,$(CORE_SOURCES) $(SUPPORT_SOURCES)))

# ---- C unit tests, under ASan and UBSan ----

UNIT_CORE := $(patsubst %.c,$(BUILD)/unit/%.o,$(CORE_SOURCES) $(SUPPORT_SOURCES))
UNITS_RUN := $(if $(UNIT),$(UNIT:%=$(BUILD)/unit/spec/c/%_test),$(UNITS))

.PHONY: unit
unit: $(UNITS_RUN)
	@.ci/programs $(UNITS_RUN)

$(BUILD)/unit/%.o: %.c $(BUILD)/unit.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(UNIT_FLAGS) -c -o $@ $<

$(BUILD)/unit/core.a: $(UNIT_CORE) $(BUILD)/core.list
	@rm -f $@
	@ar rcs $@ $(UNIT_CORE)

$(UNITS): %: %.o $(BUILD)/unit/core.a
	$(call run,link)$(CC) -fsanitize=$(UNIT_SAN) -pthread -o $@ $< \
		$(BUILD)/unit/core.a $(TEST_LIBS)

# ---- specs ----

# The sources of another parser (Debian's node-llhttp); its spec fails without.
LLHTTP ?= $(wildcard /usr/share/llhttp)
LLHTTP_FLAGS := -isystem $(LLHTTP)/../include/llhttp
SPEC_SOURCES := $(filter-out $(if $(LLHTTP),,spec/support/llhttp.c), \
	$(sort $(wildcard spec/support/*.c)))
SPEC_MODULES := $(SPEC_SOURCES:spec/%.c=$(BUILD)/%.so) \
	$(if $(filter openssl,$(HERE)),$(BUILD)/support/tls_peer)
SPEC_RUN = LUA='$(LUA)' BUILD='$(BUILD)' SAN='$(SAN)' CC='$(CC)' .ci/spec

.PHONY: spec helpers
spec: $(MODULE) $(SPEC_MODULES)
	@$(SPEC_RUN) $(SPEC_MODES)

helpers: $(MODULE) $(SPEC_MODULES)
	@SLUICE_CERTIFICATES_AGE=1200 sh spec/support/certificates >/dev/null

# The same in parts, for `make test`: spec.FOLDER.MODE, with halves of what takes
# longest. It comes first, so that no processor is left without work at the end.
LONG_FOLDERS := journeys lua
OTHER_FOLDERS := $(filter-out $(LONG_FOLDERS),$(sort $(shell find spec \
	-name '*_spec.lua' -exec grep -L '^-- Runs once\.$$' {} + | cut -d / -f 2)))
parts_of = $(foreach folder,$(1), \
	$(patsubst %,spec.$(folder).%,$(filter-out once,$(SPEC_MODES))))
SPEC_PARTS := $(call parts_of,journeys-1 journeys-2 lua) \
	$(patsubst %,spec.%,$(filter once,$(SPEC_MODES))) $(call parts_of,$(OTHER_FOLDERS))

.PHONY: $(SPEC_PARTS)
$(filter-out spec.once,$(SPEC_PARTS)): spec.%: $(MODULE) $(SPEC_MODULES)
	@SPEC_LOG=spec.$(basename $*) SPECS=spec/$(firstword $(subst -, ,$(basename $*))) \
		PART=$(word 2,$(subst -, ,$(basename $*))) $(SPEC_RUN) \
		$(patsubst .%,%,$(suffix $*))

spec.once: $(MODULE) $(SPEC_MODULES)
	@$(SPEC_RUN) once

# The helpers of specs are not part of the module: no sanitizer, no hidden symbols.
$(BUILD)/support/%.so: spec/support/%.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) -I. $(LUA_CFLAGS) $(CFLAGS) $(SHARED) -o $@ $< \
		$(SUPPORT_LIBS)

# The handshake of WebSocket has a hash in it.
$(BUILD)/support/peer.so: SUPPORT_LIBS := -lcrypto

$(BUILD)/support/llhttp.so: spec/support/llhttp.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) -w -DLLHTTP_STRICT_MODE=1 $(LLHTTP_FLAGS) \
		$(LUA_CFLAGS) $(CFLAGS) $(SHARED) -o $@ $< \
		$(LLHTTP)/api.c $(LLHTTP)/http.c $(LLHTTP)/llhttp.c

$(BUILD)/support/tls_peer: spec/support/program/tls_peer.c $(BUILD)/module.flags
	@mkdir -p $(@D)
	$(call run,cc)$(CC) $(COMMON) $(CFLAGS) -o $@ $< -lssl -lcrypto

# ---- specs under the thread sanitizer: resolver, workers, several states. A ring's
# memory comes and goes by calls that the sanitizer does not see ----

TSAN_MODES ?= completion+threads completion+epoll stream+epoll
TSAN_SPECS ?= spec/journeys/states_spec.lua spec/binding/transport_spec.lua \
	spec/lua/transports_spec.lua
# Units whose code crosses threads.
TSAN_UNITS ?= io/resolve io/backend io/loop io/connect

.PHONY: tsan tsan-short tsan-unit
tsan: tsan-unit
	@SPECS='$(TSAN_SPECS)' SLUICE_SPEC_STREAM_MIB=16 $(MAKE) --no-print-directory \
		SAN=thread BUILD='$(BUILD)/tsan' CFLAGS='$(QUICK_CFLAGS)' \
		SPEC_MODES='$(TSAN_MODES)' spec

tsan-unit:
	@$(MAKE) --no-print-directory UNIT_SAN=thread BUILD='$(BUILD)/tsan' \
		UNIT_SOURCES='$(TSAN_UNITS:%=spec/c/%_test.c)' unit

# Names are resolved on threads, operations tried on others: both cross.
tsan-short:
	@SLUICE_SPEC_STATE_REQUESTS=50 $(MAKE) --no-print-directory tsan TSAN_UNITS= \
		TSAN_MODES=completion+threads TSAN_SPECS=spec/journeys/states_spec.lua

# ---- specs on other builds, other pools, and what is installed ----

# The specs through which most memory passes.
MEMORY_SPECS ?= spec/journeys/get_spec.lua spec/journeys/stream_spec.lua \
	spec/journeys/ownership_spec.lua spec/journeys/leases_spec.lua \
	spec/binding/transport_spec.lua
MEMORY_MODES ?= stream+epoll completion+io_uring

# Without the libraries that a build may lack.
PLAIN_SPECS ?= spec/journeys/get_spec.lua spec/journeys/decode_spec.lua \
	spec/lua/cookies/jar_spec.lua spec/lua/cookies/suffixes_spec.lua

.PHONY: plain
plain:
	@SPECS='$(PLAIN_SPECS)' $(MAKE) --no-print-directory CODECS= PSL= \
		BUILD='$(BUILD)/plain' CFLAGS='$(QUICK_CFLAGS)' SPEC_MODES=stream+epoll spec

# With the other TLS library.
GNUTLS_SPECS ?= spec/journeys/tls_spec.lua spec/journeys/certificates_spec.lua \
	spec/journeys/tls_ends_spec.lua spec/journeys/tls_servers_spec.lua \
	spec/journeys/proxies_spec.lua spec/journeys/proxy_faults_spec.lua
GNUTLS_MODES ?= stream+epoll

.PHONY: gnutls
gnutls:
	@$(if $(filter gnutls,$(HERE)),SPECS='$(GNUTLS_SPECS)' $(MAKE) \
		--no-print-directory TLS=gnutls BUILD='$(BUILD)/gnutls' \
		CFLAGS='$(QUICK_CFLAGS)' SPEC_MODES='$(GNUTLS_MODES)' spec,echo '0 passed, 0 failed')

.PHONY: poison direct sanitized guard
direct: MEMORY_MODES := stream+epoll
poison direct: $(MODULE) $(SPEC_MODULES)
	@SPEC_LOG=$@ SLUICE_POOL=$@ SPECS='$(MEMORY_SPECS)' $(SPEC_RUN) $(MEMORY_MODES)

sanitized:
	@SPECS='$(MEMORY_SPECS)' SLUICE_SPEC_STREAM_MIB=16 $(MAKE) --no-print-directory \
		SAN=address,undefined BUILD='$(BUILD)/san' CFLAGS='$(QUICK_CFLAGS)' \
		SPEC_MODES='$(MEMORY_MODES)' spec

# The whole suite, each block on pages that are unmapped at its return; minutes. Specs
# that count memory are left out, as each block costs new pages.
GUARD_MODES ?= once completion+io_uring
guard: $(MODULE) $(SPEC_MODULES)
	@SPEC_LOG=$@ SLUICE_POOL=guard WITHOUT=slabs $(SPEC_RUN) $(GUARD_MODES)

# ---- soak: a long run, and a short one for every test ----

SOAK_MODES := $(filter-out once,$(SPEC_MODES))
SOAK_REQUESTS ?= 200000
SOAK_SHORT_REQUESTS ?= 5000

.PHONY: soak soak-short
soak: $(MODULE) $(SPEC_MODULES)
	@LUA='$(LUA)' BUILD='$(BUILD)' .ci/soak $(SOAK_REQUESTS) $(SOAK_MODES)
	@SPEC_LOG=$@ SLUICE_SPEC_STREAM_MIB=1024 SPECS=spec/binding/transport_spec.lua \
		$(SPEC_RUN) $(SOAK_MODES)

soak-short: $(MODULE) $(SPEC_MODULES)
	@LUA='$(LUA)' BUILD='$(BUILD)' .ci/soak $(SOAK_SHORT_REQUESTS) $(SOAK_MODES)

# ---- fuzzing ----

FUZZ_CORE := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(CORE_SOURCES) $(SUPPORT_SOURCES))

.PHONY: fuzz fuzz-short
fuzz: $(FUZZES)
	@BUILD='$(BUILD)' SECONDS_EACH=$(FUZZ_SECONDS) .ci/fuzz $(FUZZES)

fuzz-short: $(FUZZES)
	@BUILD='$(BUILD)' SECONDS_ALL=$(FUZZ_SHORT_SECONDS) .ci/fuzz $(FUZZES)

# The operands of comparisons help to find keywords and sizes. Where no input is
# compared, the sanitizers' checks of pointers alone would be recorded: a third of
# the time.
FUZZ_UNTRACED := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(filter-out src/conn/tunnel%, \
	$(filter src/memory/% src/io/% src/conn/% spec/%, \
	$(CORE_SOURCES) $(SUPPORT_SOURCES) $(FUZZ_SOURCES))))
$(FUZZ_UNTRACED): TRACED := -fno-sanitize-coverage=trace-cmp

$(BUILD)/fuzz/%.o: %.c $(BUILD)/fuzz.flags
	@mkdir -p $(@D)
	$(call run,clang)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(TRACED) \
		-c -o $@ $<

$(BUILD)/fuzz/core.a: $(FUZZ_CORE) $(BUILD)/core.list
	@rm -f $@
	@ar rcs $@ $(FUZZ_CORE)

$(FUZZES): %: %.o $(BUILD)/fuzz/core.a
	$(call run,link)$(CLANG) -fsanitize=fuzzer,address,undefined -pthread -o $@ $< \
		$(BUILD)/fuzz/core.a $(TEST_LIBS)

# ---- all of it ----

# A sanitized build leaves out what cannot load it, and what it already includes. The
# longest come first; specs often wait, the others never do: they alternate.
alternate = $(firstword $(1)) $(firstword $(2)) $(if $(strip $(1) $(2)), \
	$(call alternate,$(wordlist 2,99,$(1)),$(wordlist 2,99,$(2))))
TEST_TARGETS ?= $(call alternate,unit fuzz-short lint $(if $(SAN),,sanitized \
	tsan-short gnutls plain rock soak-short poison direct demo installed), \
	$(if $(SPEC)$(TEST),spec,$(SPEC_PARTS)))

.PHONY: test
test:
	@.ci/install build test
	@MAKE='$(MAKE)' BUILD='$(BUILD)' .ci/test helpers $(TEST_TARGETS)

-include $(patsubst %.o,%.d,$(UNIT_CORE) $(FUZZ_CORE)) $(UNITS:=.d) $(FUZZES:=.d) \
	$(wildcard $(BUILD)/support/*.d)
