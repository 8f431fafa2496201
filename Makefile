# dcop: discovery and deployment for pyDCOP.  `make help` lists the targets.

VERSION = 0.1.0

prefix = /usr/local
bindir = $(prefix)/bin
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
datadir = $(prefix)/share/dcop
mandir = $(prefix)/share/man
bashdir = $(prefix)/share/bash-completion/completions
zshdir = $(prefix)/share/zsh/$(if $(filter /usr,$(prefix)),vendor-completions,site-functions)
fishdir = $(prefix)/share/fish/vendor_completions.d
docdir = $(prefix)/share/doc/dcop
ansibledir = $(prefix)/share/ansible/collections/ansible_collections/dcop/fleet

# SANITIZE=address,undefined or thread; each configuration has its own folder.
SANITIZE =
comma = ,
B = build/$(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

CC = gcc
STRIP = strip
CFLAGS = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wundef -Wcast-align -Wwrite-strings -Wimplicit-fallthrough -Wswitch-enum
HARDEN = -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANFLAGS = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
PKGS = avahi-client yaml-0.1 libsystemd jansson sqlite3 libssh libarchive libmicrohttpd libcurl libqrencode
DCOP_CPPFLAGS = -D_GNU_SOURCE -DDCOP_VERSION='"$(VERSION)"' -I. \
	$(shell pkg-config --cflags $(PKGS))
DCOP_CFLAGS = -std=gnu11 $(WARN) $(HARDEN) -ffunction-sections -fdata-sections $(SANFLAGS)
DCOP_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed $(SANFLAGS)

# HMAC and SHA-256 alone come from the static library: the shared one costs
# each process some 300 kB of its own pages.
SODIUM_LIBS = -l:libsodium.a
DISCOVERY_LIBS = -lresolv -lavahi-client -lavahi-common -lyaml -lsystemd -ljansson -lsqlite3 -lm -lpthread $(SODIUM_LIBS)
DEPLOYER_LIBS = -lcrypt -lssh -larchive -lcurl $(DISCOVERY_LIBS)
CONTROLLER_LIBS = -lmicrohttpd -lqrencode $(DEPLOYER_LIBS)
BEACON_LIBS = -lavahi-client -lavahi-common -lsystemd $(SODIUM_LIBS) -lm

MAINS = discovery/dcop-discover.c deployer/dcop-deploy.c deployer/dcop-controller.c \
	agent-beacon/dcop-beacon.c
sources = $(filter-out $(MAINS),$(wildcard $(addsuffix /*.c,$(1))))
objects = $(patsubst %.c,$(B)/%.o,$(1))

DISCOVERY_SRC := $(call sources,discovery/*)
CONTROLLER_SRC := $(call sources,deployer/controller deployer/controller/http)
DEPLOYER_SRC := $(filter-out $(CONTROLLER_SRC),$(call sources,deployer/*))
BEACON_SRC := $(call sources,agent-beacon)
UNIT_SRC := $(wildcard tests/unit/test-*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz-*.c)
FUZZ_SHARED_SRC := tests/fuzz/lone-run.c tests/fuzz/machine-end.c
HELPER_SRC := $(wildcard tests/tools/*.c)
ALL_SRC := $(DISCOVERY_SRC) $(DEPLOYER_SRC) $(CONTROLLER_SRC) $(BEACON_SRC) $(wildcard $(MAINS)) $(UNIT_SRC) $(FUZZ_SRC) \
	$(HELPER_SRC) $(FUZZ_SHARED_SRC) tests/fuzz/standalone.c
ALL_HDR := $(wildcard discovery/*/*.h deployer/*/*.h deployer/controller/http/*.h agent-beacon/*.h \
	tests/*/*.h)

LIBDISCOVERY = $(B)/libdcop-discovery.a
LIBDEPLOYER = $(B)/libdcop-deployer.a
LIBCONTROLLER = $(B)/libdcop-controller.a
LIBBEACON = $(B)/libdcop-beacon.a
LIBFUZZ = $(B)/libdcop-fuzz.a
PROGRAMS = $(patsubst %.c,$(B)/%,$(notdir $(wildcard $(MAINS))))
UNITS = $(patsubst %.c,$(B)/%,$(UNIT_SRC))
FUZZERS = $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
HELPERS = $(patsubst %.c,$(B)/%,$(HELPER_SRC))

# What `dcop-deploy enroll` takes to a machine of the compiler's architecture,
# in Debian's words for it.
debian_arch = $(or $(patsubst $(1)=%,%,$(filter $(1)=%,x86_64=amd64 aarch64=arm64 i686=i386 arm=armhf)),$(1))
BEACON_FOLDER := $(B)/beacon/$(call debian_arch,$(firstword $(subst -, ,$(shell $(CC) -dumpmachine))))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all programs tests deps deps-check dist manuals install install-beacon demo check check-unit check-net check-long \
	bench screenshots asan tsan fuzz analyze format check-format check-headers check-arrows help clean FORCE

all: programs tests compile_commands.json ## build the programs, the tests and the fuzz targets
programs: $(PROGRAMS) $(BEACON_FOLDER)/dcop-beacon ## build the programs alone
tests: $(UNITS) $(FUZZERS) $(HELPERS) ## build the tests and the fuzz targets

# One line for each file that is made; V=1 shows the commands, -s nothing.
ifeq ($(V),1)
say =
else ifneq (,$(findstring s,$(firstword -$(MAKEFLAGS))))
say = @
else
say = @printf '  %-4s %s\n' $(1) $@;
endif

# A change of compiler or flags rebuilds what it concerns.  Expanded here: in the
# recipe it would hold what the first target that wants it adds for itself.
FLAGS := $(CC) $(CPPFLAGS) $(DCOP_CPPFLAGS) $(CFLAGS) $(DCOP_CFLAGS) $(LDFLAGS) $(DCOP_LDFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(DCOP_CPPFLAGS) $(CFLAGS) $(DCOP_CFLAGS) -MMD -MP -c -o $@ $<

# The beacon runs on every machine and has a limit of 64 KiB: what it uses of
# the library is built once more, for size.
SMALL = -Os -fno-asynchronous-unwind-tables
SMALL_SRC := $(wildcard discovery/base/*.c discovery/advert/*.c)
$(B)/agent-beacon/%.o: DCOP_CFLAGS += $(SMALL)
$(B)/small/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(DCOP_CPPFLAGS) $(CFLAGS) $(DCOP_CFLAGS) $(SMALL) -MMD -MP -c -o $@ $<
$(B)/libdcop-small.a: $(patsubst %.c,$(B)/small/%.o,$(SMALL_SRC))

$(LIBDISCOVERY): $(call objects,$(DISCOVERY_SRC))
$(LIBDEPLOYER): $(call objects,$(DEPLOYER_SRC))
$(LIBCONTROLLER): $(call objects,$(CONTROLLER_SRC))
$(LIBBEACON): $(call objects,$(BEACON_SRC))
$(LIBFUZZ): $(call objects,$(FUZZ_SHARED_SRC))
$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)$(AR) qcs $@ $^ # not r: several folders have a file of the same name

BEACON_FILES = dcop-beacon.service dcop-beacon-key.service dcop-beacon.sysusers
$(BEACON_FOLDER)/dcop-beacon: $(B)/dcop-beacon $(addprefix dist/systemd/,$(BEACON_FILES))
	@mkdir -p $(@D)
	@install -m 644 $(addprefix dist/systemd/,$(BEACON_FILES)) $(@D)
	$(call say,COPY)install -s --strip-program=$(STRIP) -m 755 $< $@

LINK = $(CC) $(CFLAGS) $(DCOP_CFLAGS) $(LDFLAGS) $(DCOP_LDFLAGS) -o $@
$(B)/dcop-discover: $(B)/discovery/dcop-discover.o $(LIBDISCOVERY)
	$(call say,LINK)$(LINK) $^ $(DISCOVERY_LIBS)
$(B)/dcop-deploy: $(B)/deployer/dcop-deploy.o $(LIBDEPLOYER) $(LIBDISCOVERY)
	$(call say,LINK)$(LINK) $^ $(DEPLOYER_LIBS)
$(B)/dcop-controller: $(B)/deployer/dcop-controller.o $(LIBCONTROLLER) $(LIBDEPLOYER) $(LIBDISCOVERY)
	$(call say,LINK)$(LINK) $^ $(CONTROLLER_LIBS)
# Code and data on pages of their own would take 8 KiB more of the file.
$(B)/dcop-beacon: DCOP_LDFLAGS += -Wl,-z,noseparate-code
$(B)/dcop-beacon: $(B)/agent-beacon/dcop-beacon.o $(LIBBEACON) $(B)/libdcop-small.a
	$(call say,LINK)$(LINK) $^ $(BEACON_LIBS)

TEST_LIBS = $(LIBCONTROLLER) $(LIBDEPLOYER) $(LIBBEACON) $(LIBDISCOVERY)
$(B)/tests/unit/test-%: $(B)/tests/unit/test-%.o $(TEST_LIBS)
	$(call say,LINK)$(LINK) $^ -lcmocka $(CONTROLLER_LIBS)
$(B)/tests/tools/%: $(B)/tests/tools/%.o $(TEST_LIBS)
	$(call say,LINK)$(LINK) $^ $(DEPLOYER_LIBS)
ifdef FUZZ
$(B)/tests/fuzz/fuzz-%: $(B)/tests/fuzz/fuzz-%.o $(LIBFUZZ) $(TEST_LIBS)
	$(call say,LINK)$(LINK) $^ $(CONTROLLER_LIBS)
else
$(B)/tests/fuzz/fuzz-%: $(B)/tests/fuzz/fuzz-%.o $(B)/tests/fuzz/standalone.o $(LIBFUZZ) $(TEST_LIBS)
	$(call say,LINK)$(LINK) $^ $(CONTROLLER_LIBS)
endif

-include $(patsubst %.c,$(B)/%.d,$(ALL_SRC)) $(patsubst %.c,$(B)/small/%.d,$(SMALL_SRC))

# Quoted for JSON, then for the shell.
COMMAND = $(CC) $(DCOP_CPPFLAGS) $(CFLAGS) $(DCOP_CFLAGS) -c
compile_commands.json: Makefile $(ALL_SRC)
	@{ printf '['; sep=; for f in $(ALL_SRC); do \
	printf '%s\n{"directory":"%s","file":"%s","command":"%s %s"}' "$$sep" '$(CURDIR)' "$$f" \
	'$(subst ','\'',$(subst ",\",$(COMMAND)))' "$$f"; sep=,; done; printf '\n]\n'; } >$@

deps: ## install the packages that building needs (apt, root)
	dist/deps build

deps-check: ## install the packages that building, demo, tests and analysis need (apt, root)
	dist/deps check

# install_manuals PROGRAM PAGE...: its completions, and man pages.
define install_manuals
	for page in $(2); do install -D -m 644 dist/man/$$page $(DESTDIR)$(mandir)/man$${page##*.}/$$page || exit 1; done
	install -D -m 644 dist/completions/$(1) $(DESTDIR)$(bashdir)/$(1)
	install -D -m 644 dist/completions/_$(1) $(DESTDIR)$(zshdir)/_$(1)
	install -D -m 644 dist/completions/$(1).fish $(DESTDIR)$(fishdir)/$(1).fish
endef

install-beacon: $(B)/dcop-beacon ## the part for the machines; enable it with systemctl
	install -D -s --strip-program=$(STRIP) -m 755 $(B)/dcop-beacon $(DESTDIR)$(bindir)/dcop-beacon
	install -D -m 644 dist/systemd/dcop-beacon.sysusers $(DESTDIR)$(sysusersdir)/dcop-beacon.conf
	$(call install_manuals,dcop-beacon,dcop-beacon.8 beacon.conf.5 dcop-advert.7)
	install -d $(DESTDIR)$(unitdir)
	for unit in dcop-beacon dcop-beacon-key; do sed 's|@bindir@|$(bindir)|' \
	dist/systemd/$$unit.service >$(DESTDIR)$(unitdir)/$$unit.service || exit 1; done
	if [ -e $(DESTDIR)/etc/passwd ]; then \
	systemd-sysusers --root=$(DESTDIR)/ $(DESTDIR)$(sysusersdir)/dcop-beacon.conf; fi

install: programs install-beacon ## install into $(DESTDIR)$(prefix)
	install -D -m 755 $(B)/dcop-discover $(DESTDIR)$(bindir)/dcop-discover
	install -D -m 755 $(B)/dcop-deploy $(DESTDIR)$(bindir)/dcop-deploy
	install -D -m 755 $(B)/dcop-controller $(DESTDIR)$(bindir)/dcop-controller
	$(call install_manuals,dcop-discover,dcop-discover.1)
	$(call install_manuals,dcop-deploy,dcop-deploy.1)
	$(call install_manuals,dcop-controller,dcop-controller.8)
	install -D -m 644 dist/systemd/dcop-controller.sysusers $(DESTDIR)$(sysusersdir)/dcop-controller.conf
	install -d $(DESTDIR)$(unitdir)
	sed 's|@bindir@|$(bindir)|' dist/systemd/dcop-controller.service >$(DESTDIR)$(unitdir)/dcop-controller.service
	if [ -e $(DESTDIR)/etc/passwd ]; then \
	systemd-sysusers --root=$(DESTDIR)/ $(DESTDIR)$(sysusersdir)/dcop-controller.conf; fi
	install -d $(DESTDIR)$(datadir)/steps
	cp -R deployer/steps/. $(DESTDIR)$(datadir)/steps/
	install -d $(DESTDIR)$(docdir)/examples
	for page in README.md dist/doc/*.md; do sed -e 's|](dist/doc/|](|g' -e 's|](../../README.md|](README.md|g' \
	-e '/^!.*dashboard.png/d' $$page >$(DESTDIR)$(docdir)/$${page##*/} || exit 1; done
	install -m 644 dist/doc/examples/* tests/data/demo/classroom.yaml $(DESTDIR)$(docdir)/examples/
	cd dist/ansible && find . -type f ! -name '*.pyc' -exec install -D -m 644 '{}' $(DESTDIR)$(ansibledir)/'{}' \;
	install -d $(DESTDIR)$(datadir)/solve
	install -m 644 deployer/solve/*.py $(DESTDIR)$(datadir)/solve/
	install -d $(DESTDIR)$(datadir)/layers
	install -m 644 deployer/layer/pins/* $(DESTDIR)$(datadir)/layers/
	install -D -m 755 deployer/card/setup.sh $(DESTDIR)$(datadir)/card/setup.sh
	install -d $(DESTDIR)$(datadir)/beacon
	cp -R $(B)/beacon/. $(DESTDIR)$(datadir)/beacon/
	install -d $(DESTDIR)$(datadir)/dashboard
	[ ! -d deployer/controller/dashboard ] || cp -R deployer/controller/dashboard/. $(DESTDIR)$(datadir)/dashboard/

manuals: programs ## bring man pages and completions to what --help says
	dist/man/update $(B)

dist: ## Debian packages and the source tarball, in build/dist (root)
	dist/deps demo
	dist/packages $(DIST_OPTIONS)

demo: ## show the whole of it on a virtual classroom (root)
	dist/deps demo
	$(MAKE) programs
	tests/demo

check: ## all tests but the long ones (root)
	dist/deps check
	tests/check

check-unit: ## unit tests and comparisons with PyYAML and Ansible
	tests/check unit compare

check-net: ## tests on the virtual classroom (root)
	tests/check net

check-long: ## tests that take longer (root)
	dist/deps check
	tests/check long

bench: ## measure the limits against the peers (root)
	dist/deps check
	$(MAKE) all
	tests/bench/bench

screenshots: ## take the README's picture, from the virtual classroom (root)
	dist/deps check
	$(MAKE) programs
	tests/browser/classroom tests/browser/picture.mjs

asan: ## build and run the unit tests under the address and undefined sanitizers
	tests/check asan

tsan: ## the same under the thread sanitizer
	tests/check tsan

FUZZ_SECONDS = 30
fuzz: fuzz-build ## run each fuzz target for FUZZ_SECONDS
	@for t in build/fuzz/tests/fuzz/fuzz-*[!.]?; do case $$t in *.o | *.d) continue ;; esac; \
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $$t || exit 1; done
fuzz-build: ## build the fuzz targets with libFuzzer
	$(MAKE) CC=clang FUZZ=1 B=build/fuzz SANITIZE=fuzzer-no-link,address,undefined fuzzers
.PHONY: fuzz-build fuzzers check-shell
fuzzers: $(FUZZERS)
ifdef FUZZ
$(FUZZERS): LDFLAGS += -fsanitize=fuzzer
endif

SHELL_FILES = dist/deps dist/packages dist/man/update $(wildcard dist/debian/*.preinst dist/debian/*.postrm) \
	$(shell grep -rlE '^#!/bin/sh' tests deployer .ci 2>/dev/null) \
	$(wildcard deployer/steps/*.sh deployer/steps/steps/* deployer/steps/canary/* deployer/steps/verbs/*.sh deployer/steps/verbs/*/*) \
	$(addprefix deployer/steps/verbs/,enroll-key exec logs push sources status)

# cppcheck 2.10 knows neither the cleanup attribute (memleak) nor uthash.
analyze: compile_commands.json ## static analysis: clang-tidy, cppcheck, shellcheck
	cppcheck --quiet -j2 --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=memleak --std=c11 -D_GNU_SOURCE -D__GNUC__ \
	'-DHASH_ITER(hh,head,el,tmp)=while(((tmp)=(el)=(head)))' -I. discovery deployer agent-beacon
	printf '%s\n' $(filter-out tests/%,$(ALL_SRC)) | xargs -P "$$(nproc)" -n 4 clang-tidy --quiet -p .
	$(MAKE) check-shell

check-shell: ## shellcheck on all that is shell
	shellcheck $(sort $(SHELL_FILES))

format: ## lay the code out
	clang-format -i $(ALL_SRC) $(ALL_HDR)

check-format: ## fail when the layout is not clang-format's
	clang-format --dry-run -Werror $(ALL_SRC) $(ALL_HDR)

OBJECTS = $(call objects,$(DISCOVERY_SRC) $(DEPLOYER_SRC) $(CONTROLLER_SRC) $(BEACON_SRC))
check-arrows: $(OBJECTS) ## includes and symbols keep to the rooms of tests/arrows
	@tests/check-arrows
	@tests/check-objects $(B) $(OBJECTS)

check-headers: ## each header compiles alone
	@for h in $(ALL_HDR); do echo "#include \"$$h\"" | \
	$(CC) $(DCOP_CPPFLAGS) $(filter-out -fPIE,$(DCOP_CFLAGS)) -fsyntax-only -xc - || exit 1; done

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-15s %s\n", $$1, $$2}'

clean: ## remove what was built
	rm -rf build compile_commands.json
