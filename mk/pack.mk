# mk/pack.mk - what others install from: a tarball, rockspecs, a Debian package

NAME    := sluice-$(VERSION)
TARBALL := $(BUILD)/dist/$(NAME).tar.gz
# Whoever answers for the Debian package: Name <address>.
MAINTAINER ?=

.PHONY: dist
dist: $(TARBALL)
	@echo '  $(TARBALL)'

# Made each time, as no list of its files would be shorter than itself.
.PHONY: FORCE
$(TARBALL): FORCE
	@.ci/dist $(NAME) '$@'

# SOURCE is the address under which the tarball can be fetched.
.PHONY: rockspec
ifeq ($(SOURCE),)
rockspec:
	@echo 'rockspec/sluice-scm-1.rockspec lists no files and needs no change;'
	@echo 'make rockspec SOURCE=address writes $(BUILD)/$(NAME)-1.rockspec,'
	@echo 'for the tarball that make dist makes, fetched from that address'
else
rockspec: $(TARBALL)
	@$(LUA) .ci/rockspec.lua '$(VERSION)' '$(SOURCE)' $< \
		>$(BUILD)/$(NAME)-1.rockspec
	@echo '  $(BUILD)/$(NAME)-1.rockspec'
endif

# The tarball and debian/ make the packages, which are checked in turn.
.PHONY: deb
deb: $(TARBALL)
	@.ci/deb $(NAME) $< '$(BUILD)/deb' '$(MAINTAINER)'

# ---- what is installed ----

.PHONY: rock installed
rock: $(MODULE) $(SPEC_MODULES) $(TARBALL)
	@$(MAKE) --no-print-directory -s rockspec SOURCE='file://$(abspath $(TARBALL))'
	@BUILD='$(BUILD)' LUA='$(LUA)' .ci/rock $(TARBALL) $(BUILD)/$(NAME)-1.rockspec \
		spec/journeys/get_spec.lua spec/binding/transport_spec.lua

installed: $(MODULE)
	@rm -rf '$(BUILD)/installed'
	@$(MAKE) --no-print-directory -s install \
		DESTDIR='$(abspath $(BUILD)/installed)' PREFIX=/usr
	@LUA='$(LUA)' .ci/installed '$(abspath $(BUILD)/installed)' /usr

# ---- Lua 5.5 ----

# Its external strings, which Lua 5.4 lacks, over Lua 5.4, with blocks checked by the
# address sanitizer.
EXTERNAL_SPECS ?= spec/journeys/get_spec.lua spec/journeys/stream_spec.lua \
	spec/journeys/ownership_spec.lua spec/binding/sequence_spec.lua \
	spec/binding/lease_spec.lua spec/websocket/socket_spec.lua

.PHONY: external
external:
	+@SPECS='$(EXTERNAL_SPECS)' $(MAKE) --no-print-directory SAN=address,undefined \
		BUILD='$(BUILD)/external' SPEC_MODES=stream+epoll \
		LUA_CFLAGS='$(LUA_CFLAGS) -include spec/support/external_strings.h' spec
