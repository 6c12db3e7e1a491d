# vibevmm's build. GNU make 3.81 (macOS) or later; no configure step. `make help` lists the targets.
#
# Every src/**/*.c is compiled; *_linux.c and *_macos.c only on their system. All but src/cli/main.c goes into libvibe.a, which the
# program, the unit tests (tests/unit/test_*.c, cmocka) and the fuzzers (tests/fuzz/fuzz_*.c, libFuzzer) link.

BUILD ?= release
PREFIX ?= /usr/local
DESTDIR ?=
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
WERROR ?= 1
LTO ?= 0
PYTHON ?= python3
FUZZ_SECONDS ?= 10
# Prefix of a cross toolchain, as aarch64-linux-gnu-: builds for that machine, into build/. STATIC=1: a program that needs no library there.
CROSS ?=
STATIC ?= 0
# Where everything but bin/vibevmm goes; `make O=/somewhere/else` builds out of the tree, the program included.
O ?= build

ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS)ar
endif
OS := $(if $(CROSS),Linux,$(shell uname -s))
MACHINE := $(if $(CROSS),cross,$(shell uname -m))
PKG_CONFIG ?= $(CROSS)pkg-config
CODESIGN ?= codesign
VERSION := $(shell cat VERSION)
GIT_REV := $(shell sh packaging/commit.sh | cut -c1-12)

ifeq ($(filter $(BUILD),release debug asan tsan fuzz),)
$(error BUILD=$(BUILD): must be release, debug, asan, tsan or fuzz)
endif
ifneq ($(filter $(BUILD),tsan fuzz),)
CC := clang
endif
# The compiler is part of the directory's name unless it is the usual one, so that alternating between two rebuilds nothing.
OUT := $(O)/$(BUILD)$(if $(filter-out gcc cc,$(notdir $(CC))),$(if $(filter tsan fuzz,$(BUILD)),,-$(notdir $(CC))))
GEN := $(O)/gen
ifeq ($(O),build)
BIN := bin
else
BIN := $(O)/bin
endif

# ---- flags ------------------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
ifeq ($(WERROR),1)
WARN += -Werror
endif
# Functions begin at cache lines: otherwise how fast an exit is depends, by a sixth, on the length of what was linked before.
OPT_release := -O2 -g -falign-functions=64
# VIBE_DEBUG: what is too slow for users, the verifier of the translator's operations.
OPT_debug := -O0 -g3 -DVIBE_DEBUG
OPT_asan := -DVIBE_DEBUG -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
OPT_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
OPT := $(OPT_$(BUILD))
ifeq ($(LTO),1)
OPT += -flto
endif

CPPFLAGS_ALL := -Isrc -I$(O) -D_GNU_SOURCE $(CPPFLAGS)
# No fused multiply-add where the source has two roundings: clang's default, on hosts that have one.
CFLAGS_ALL := -std=c11 -ffp-contract=off $(OPT) $(WARN) -pthread $(CFLAGS)
LDFLAGS_ALL := $(OPT) -pthread $(LDFLAGS)
LIBS := -lm
ifeq ($(STATIC),1)
LDFLAGS_ALL += -static
endif

# The oldest macOS that it runs on. Also what it says that it was linked for, whatever it was: newer systems show programs made for them, and
# their guests, another counter frequency on some Macs, which the hypervisor's calls do not know of.
MACOS_SDK := 13.0
VTOOL ?= xcrun vtool
ifeq ($(OS),Darwin)
CFLAGS_ALL += -mmacosx-version-min=$(MACOS_SDK)
LDFLAGS_ALL += -mmacosx-version-min=$(MACOS_SDK)
endif

# Optional libraries: HAVE_X is 1 or absent. Not every system has pkg-config, nor every library (Debian's libfdt) a file for it,
# hence the second try.
WITH_LIBFDT ?= auto
WITH_ZLIB ?= auto
WITH_ZSTD ?= auto
WITH_CAPSTONE ?= auto
WITH_LIBSLIRP ?= auto
WITH_JANSSON ?= auto
WITH_LIBDW ?= auto
ifneq ($(filter clean help format format-check dist,$(MAKECMDGOALS)),)
WITH_LIBFDT := no
WITH_ZLIB := no
WITH_ZSTD := no
WITH_CAPSTONE := no
WITH_LIBSLIRP := no
WITH_JANSSON := no
WITH_LIBDW := no
endif
# $(call optional,NAME,pkg-config name,header,linker flag)
define optional
ifneq ($(WITH_$(1)),no)
ifeq ($$(STATIC)$$(shell $(PKG_CONFIG) --exists $(2) 2>/dev/null && echo y),0y)
CPPFLAGS_ALL += -DHAVE_$(1)=1 $$(shell $(PKG_CONFIG) --cflags $(2) 2>/dev/null)
LIBS += $$(shell $(PKG_CONFIG) --libs $(2) 2>/dev/null)
else ifeq ($$(shell printf '\043include <$(3)>\nint main(void) { return 0; }\n' | $(CC) $(CPPFLAGS) -x c -o /dev/null - $(LDFLAGS_ALL) $(4) 2>/dev/null && echo y),y)
CPPFLAGS_ALL += -DHAVE_$(1)=1
LIBS += $(4)
endif
endif
endef
$(eval $(call optional,LIBFDT,libfdt,libfdt.h,-lfdt))
$(eval $(call optional,ZLIB,zlib,zlib.h,-lz))
$(eval $(call optional,ZSTD,libzstd,zstd.h,-lzstd))
$(eval $(call optional,CAPSTONE,capstone,capstone.h,-lcapstone))
$(eval $(call optional,LIBSLIRP,slirp,slirp/libslirp.h,-lslirp))
$(eval $(call optional,JANSSON,jansson,jansson.h,-ljansson))
$(eval $(call optional,LIBDW,libdw libelf,elfutils/libdw.h,-ldw -lelf))

# ---- sources ----------------------------------------------------------------------------------------------------------------

ALL_SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c src/*/*/*/*.c))
ifeq ($(OS),Darwin)
SRC := $(filter-out %_linux.c,$(ALL_SRC))
else
SRC := $(filter-out %_macos.c,$(ALL_SRC))
endif
ifeq ($(OS)-$(MACHINE),Darwin-arm64)
CPPFLAGS_ALL += -DHAVE_HVF=1
LIBS += -framework Hypervisor
else
SRC := $(filter-out src/hv/hvf/%,$(SRC))
endif
UNIT_SRC := $(filter-out $(if $(filter Darwin,$(OS)),%_linux.c,%_macos.c),$(sort $(wildcard tests/unit/test_*.c)))
# The translator's tests are for hosts that it has code for.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null)),x86_64)
UNIT_SRC := $(filter-out tests/unit/test_jit_%,$(UNIT_SRC))
endif
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
ifeq ($(findstring -DHAVE_JANSSON=1,$(CPPFLAGS_ALL)),)
FUZZ_SRC := $(filter-out tests/fuzz/fuzz_control.c,$(FUZZ_SRC))
endif

# Generators write several files each into $(GEN), and the list of their C files into a makefile of their own, which make
# includes and, being a target, brings up to date first. tools/generate.py replaces only what changed and leaves nothing half written.
GEN_SRC :=
ifeq ($(filter clean help format format-check dist,$(MAKECMDGOALS)),)
ifneq ($(wildcard tools/gen_sysreg.py),)
include $(GEN)/sysreg.mk
endif
ifneq ($(wildcard tools/gen_isa.py),)
include $(GEN)/isa.mk
endif
endif

LIB_SRC := $(filter-out src/cli/main.c,$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o) $(GEN_SRC:$(GEN)/%.c=$(OUT)/gen/%.o)
MAIN_OBJ := $(OUT)/src/cli/main.o
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(OUT)/unit/%)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(OUT)/fuzz/%)
LIB := $(OUT)/libvibe.a
PROG := $(OUT)/vibevmm

# ---- rules ------------------------------------------------------------------------------------------------------------------

.PHONY: all prog gen libs hvf-double failing-alloc test unit unit-bins tsan fuzz fuzz-bins bench lint format format-check completions install uninstall dist deb clean \
        help FORCE
.DELETE_ON_ERROR:
.SUFFIXES:

# bin/ has what runs here.
ifeq ($(BUILD)$(CROSS),release)
all: $(BIN)/vibevmm
else
all: $(PROG)
endif

# One short line for each step; V=1 shows the commands instead.
ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-4s %s\n'
Q := @
endif

$(BIN)/vibevmm: $(PROG)
	@mkdir -p $(@D)
	$(Q)cp -f $< $@.tmp && mv -f $@.tmp $@

$(GEN)/sysreg.mk: tools/gen_sysreg.py tools/generate.py src/spec/sysreg.spec
	$(say) GEN src/spec/sysreg.spec
	$(Q)$(PYTHON) tools/generate.py sysreg $(GEN) tools/gen_sysreg.py src/spec/sysreg.spec

$(GEN)/isa.mk: tools/gen_isa.py tools/a64spec.py tools/a64asm.py tools/generate.py $(wildcard src/spec/a64*.isa)
	$(say) GEN src/spec/a64.isa
	$(Q)$(PYTHON) tools/generate.py isa $(GEN) tools/gen_isa.py src/spec/a64.isa

# Objects depend on the flags they were made with: another compiler, option or library rebuilds.
FLAGS_LINE := $(CC) $(CPPFLAGS_ALL) $(filter-out -Werror,$(CFLAGS_ALL)) $(LDFLAGS_ALL) $(LIBS)
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_LINE)' | cmp -s - $@ || echo '$(FLAGS_LINE)' >$@

$(OUT)/version.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION) $(GIT_REV)' | cmp -s - $@ || echo '$(VERSION) $(GIT_REV)' >$@

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OUT)/gen/%.o: $(GEN)/%.c $(OUT)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OUT)/src/cli/version.o: $(OUT)/version.flags
$(OUT)/src/cli/version.o: CPPFLAGS_ALL += -DVIBE_VERSION='"$(VERSION)"' -DVIBE_REVISION='"$(GIT_REV)"' -DVIBE_BUILD='"$(BUILD)"'

# Rebuilt from nothing, and when a source is gone: an archive keeps members that nobody asked for.
$(OUT)/objects.list: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJ)' | cmp -s - $@ || echo '$(LIB_OBJ)' >$@

$(LIB): $(LIB_OBJ) $(OUT)/objects.list
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(PROG): $(MAIN_OBJ) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(MAIN_OBJ) $(LIB) $(LIBS)
ifeq ($(OS),Darwin)
	-$(Q)$(VTOOL) -set-build-version macos $(MACOS_SDK) $(MACOS_SDK) -replace -output $@ $@
	$(Q)$(CODESIGN) --sign - --force --entitlements entitlements.plist $@
endif

# The double's headers, where the framework is not.
ifneq ($(OS),Darwin)
$(OUT)/unit/test_hvf_exits: CPPFLAGS_ALL += -Itests/hvf/include
endif

CMOCKA_LIBS = $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null || echo -lcmocka)
CMOCKA_CFLAGS = $(shell $(PKG_CONFIG) --cflags cmocka 2>/dev/null)

$(OUT)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(say) TEST $@
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CMOCKA_CFLAGS) $(CFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LDFLAGS) $(LIB) $(CMOCKA_LIBS) $(LIBS)

# Hypervisor.framework's backend where there is no such framework: the program with a double of it (tests/hvf/double.c), the double's own test.
DOUBLE_SRC := $(filter-out %_macos.c,$(wildcard src/hv/hvf/*.c)) src/vm/backends.c $(wildcard tests/hvf/double*.c)
DOUBLE_OBJ := $(DOUBLE_SRC:%.c=$(OUT)/hvf-double/%.o)
DOUBLE_FLAGS := -DHAVE_HVF=1 -Itests/hvf/include -I.

$(OUT)/hvf-double/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS_ALL) $(DOUBLE_FLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OUT)/hvf-double/vibevmm: $(MAIN_OBJ) $(DOUBLE_OBJ) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(MAIN_OBJ) $(DOUBLE_OBJ) $(LIB) $(LIBS)

$(OUT)/hvf-double/test_%: tests/hvf/test_%.c $(DOUBLE_OBJ) $(LIB)
	$(say) TEST $@
	$(Q)$(CC) $(CPPFLAGS_ALL) $(DOUBLE_FLAGS) $(CMOCKA_CFLAGS) $(CFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(DOUBLE_OBJ) $(LIB) $(CMOCKA_LIBS) $(LIBS)

hvf-double: $(OUT)/hvf-double/vibevmm $(OUT)/hvf-double/test_rules

# The program with allocations that fail, the double's too: tests/alloc/failing_alloc.c.
WRAPPED := malloc calloc realloc aligned_alloc posix_memalign strdup strndup mmap memfd_create ftruncate eventfd pipe pthread_create open_memstream fopen main
comma := ,
$(OUT)/failing-alloc/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OUT)/failing-alloc/vibevmm: $(MAIN_OBJ) $(DOUBLE_OBJ) $(OUT)/failing-alloc/tests/alloc/failing_alloc.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) $(WRAPPED:%=-Wl$(comma)--wrap=%) -o $@ $^ $(LIBS)

failing-alloc: $(OUT)/failing-alloc/vibevmm

$(OUT)/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(say) FUZZ $@
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< $(LDFLAGS) $(LIB) $(LIBS)

prog: $(PROG)

# The generated sources alone; including their makefiles has made them.
gen:
	@:

# What a program that uses $(LIB) has to be linked with.
libs:
	@echo '$(LIBS)'

test:
	./test.sh

unit-bins: $(UNIT_BIN)

unit: $(UNIT_BIN)
	$(Q)$(PYTHON) tests/run_unit.py $(if $(RUN),--run '$(RUN)') $(UNIT_BIN)

# Under the thread sanitizer (clang): the unit tests with threads of their own.
TSAN_UNIT := debug snapshot io_thread vcpu trace
TSAN_UNIT += virtio virtio_events virtio_console disk virtio_blk virtio_rng virtio_balloon
TSAN_UNIT += virtio_9p p9_escape virtio_net net_user virtio_vsock vsock_credit
ifeq ($(BUILD),tsan)
tsan: $(TSAN_UNIT:%=$(OUT)/unit/test_%)
	$(Q)TSAN_OPTIONS=halt_on_error=1 $(PYTHON) tests/run_unit.py $^
else
tsan:
	$(Q)$(MAKE) --no-print-directory BUILD=tsan $@
endif

ifeq ($(BUILD),fuzz)
fuzz-bins: $(FUZZ_BIN)
fuzz: $(FUZZ_BIN)
	$(Q)$(PYTHON) tests/run_fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ_BIN)
else
fuzz fuzz-bins:
	$(Q)$(MAKE) --no-print-directory BUILD=fuzz $@
endif

bench: all
	$(Q)$(PYTHON) bench/run.py --vibevmm $(BIN)/vibevmm $(BENCH)

FORMAT_SRC := $(wildcard src/*/*.[ch] src/*/*/*.[ch] src/*/*/*/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] tests/alloc/*.c tests/hvf/*.[ch] tests/hvf/include/*/*.h)

format:
	clang-format -i $(FORMAT_SRC)

format-check:
	@clang-format --dry-run -Werror $(FORMAT_SRC)

lint: gen
	$(Q)$(PYTHON) tools/lint.py

$(GEN)/completions/completions.mk: tools/gen_completions.py tools/generate.py src/cli/options.def src/cli/ctl.def
	$(say) GEN src/cli/options.def
	$(Q)$(PYTHON) tools/generate.py completions $(@D) tools/gen_completions.py src/cli/options.def src/cli/ctl.def

completions: $(GEN)/completions/completions.mk

# What is installed: mode, file, its place.
INSTALLED = 755,$(PROG),$(PREFIX)/bin/vibevmm
INSTALLED += 644,docs/vibevmm.1,$(PREFIX)/share/man/man1/vibevmm.1
INSTALLED += 644,$(GEN)/completions/vibevmm,$(BASH_COMPLETIONS)/vibevmm
INSTALLED += 644,$(GEN)/completions/_vibevmm,$(ZSH_COMPLETIONS)/_vibevmm

install: all completions
	$(Q)set -e; for f in $(INSTALLED); do IFS=,; set -- $$f; install -d "$(DESTDIR)$${3%/*}"; install -m $$1 "$$2" "$(DESTDIR)$$3"; done

uninstall:
	rm -f $(foreach f,$(INSTALLED),"$(DESTDIR)$(lastword $(subst $(comma), ,$(f)))")

# Of the commit that is checked out. URL: where the tarball will be, for the formula.
dist:
	$(Q)packaging/dist.sh $(O)/dist $(URL)

# For this system, and for arm64 where the cross compiler is.
deb:
	$(Q)packaging/deb.sh "$$(dpkg --print-architecture)" $(O)/deb $(MAKE) -s
	$(Q)if [ "$$(dpkg --print-architecture)" = arm64 ]; then :; \
	elif command -v aarch64-linux-gnu-gcc >/dev/null; then packaging/deb.sh arm64 $(O)/deb tests/arm64/build.sh; \
	else echo 'deb: aarch64-linux-gnu-gcc is not installed (gcc-aarch64-linux-gnu): no package for arm64' >&2; fi

clean:
	rm -rf $(O) $(BIN)

help:
	@echo 'make                 build bin/vibevmm (the other variants stay in build/<variant>/vibevmm)'
	@echo 'make test            ./test.sh: every test there is'
	@echo 'make unit            unit tests of this variant'
	@echo 'make tsan            unit tests with threads, under the thread sanitizer (clang)'
	@echo "make hvf-double      the program with a double of macOS's hypervisor, and the double's test"
	@echo 'make failing-alloc   the program with allocations that fail in turn (tests/alloc)'
	@echo 'make fuzz            every fuzzer, FUZZ_SECONDS=$(FUZZ_SECONDS) each (clang)'
	@echo 'make bench           the table of measurements; BENCH="--quick --only exits": a part of it'
	@echo 'make lint            layer check, clang-tidy, cppcheck'
	@echo 'make format          clang-format over the C sources; format-check only looks'
	@echo 'make install         to DESTDIR/PREFIX (now $(DESTDIR)$(PREFIX)); uninstall takes it away'
	@echo 'make dist            source tarball and Homebrew formula into $(O)/dist; URL=where the tarball will be'
	@echo 'make deb             Debian packages into $(O)/deb, also for arm64 where its cross compiler is'
	@echo 'make clean           remove build/ and bin/'
	@echo ''
	@echo 'BUILD=release|debug|asan|tsan|fuzz   CC=gcc|clang   WERROR=0|1   LTO=0|1   V=1   O=dir (build out of the tree)'
	@echo 'CROSS=aarch64-linux-gnu-   builds build/release-aarch64-linux-gnu-gcc/vibevmm; STATIC=1; RUN=qemu-aarch64: for its unit tests'
	@echo 'WITH_LIBFDT=no, _ZLIB, _ZSTD, _CAPSTONE, _LIBSLIRP, _JANSSON, _LIBDW: leave out an optional library that is there'

ifeq ($(filter clean help format format-check dist,$(MAKECMDGOALS)),)
-include $(LIB_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(UNIT_BIN:=.d) $(DOUBLE_OBJ:.o=.d) $(OUT)/failing-alloc/tests/alloc/failing_alloc.d $(OUT)/hvf-double/test_rules.d $(FUZZ_BIN:=.d)
endif
