#!/usr/bin/env bash
# Every test there is, from nothing: installs what the tests need (and says so), builds, runs, and ends with one line
#   N passed, N failed, N skipped
# and a status that is 0 only when nothing failed.
#
#   ./test.sh                 everything
#   ./test.sh STAGE...        only these stages; ./test.sh --list names them
#   TEST_FULL=1 ./test.sh     the long form: more instruction cases and longer fuzzing
set -u
me=test.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
cd "$here" || exit 1
# shellcheck source=tools/deps.sh
. tools/deps.sh

WERROR=1
export WERROR PYTHONDONTWRITEBYTECODE=1
if [ -n "${TEST_FULL:-}" ]; then fuzz_seconds=60 lint=(--seconds 850); else fuzz_seconds=4 lint=(--quick --seconds 360); fi

# ---- what the tests need ---------------------------------------------------------------------------------------------------

need_test_tools()
{
    need_build_tools
    [ "$(uname -s)" = Darwin ] && return 0
    local pkgs=() version
    have clang || pkgs+=(clang)
    # libFuzzer and the sanitizers of clang are a package of its version.
    if ! have clang || ! printf 'int LLVMFuzzerTestOneInput(const char*d,unsigned long n){return d&&n>9;}' |
        clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null; then
        version=$(clang --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p;q')
        pkgs+=("libclang-rt-${version:-14}-dev")
    fi
    have clang-format || pkgs+=(clang-format)
    have clang-tidy || pkgs+=(clang-tidy)
    have cppcheck || pkgs+=(cppcheck)
    have shellcheck || pkgs+=(shellcheck)
    have qemu-aarch64 || pkgs+=(qemu-user)
    have qemu-system-aarch64 || pkgs+=(qemu-system-arm)
    have aarch64-linux-gnu-gcc || pkgs+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    have pkg-config || pkgs+=(pkg-config)
    cc_has cmocka.h || pkgs+=(libcmocka-dev)
    cc_has libfdt.h || pkgs+=(libfdt-dev)
    cc_has zlib.h || pkgs+=(zlib1g-dev)
    cc_has zstd.h || pkgs+=(libzstd-dev)
    cc_has capstone/capstone.h || pkgs+=(libcapstone-dev)
    cc_has slirp/libslirp.h || pkgs+=(libslirp-dev)
    cc_has jansson.h || pkgs+=(libjansson-dev)
    cc_has elfutils/libdw.h || pkgs+=(libdw-dev)
    have lcov || pkgs+=(lcov)
    have man || pkgs+=(man-db)
    have zsh || pkgs+=(zsh)
    have ruby || pkgs+=(ruby)
    have lintian || pkgs+=(lintian)
    [ ! -e .git ] || have git || pkgs+=(git)
    have dpkg-shlibdeps || pkgs+=(dpkg-dev)
    have mke2fs || [ -x /sbin/mke2fs ] || pkgs+=(e2fsprogs)
    [ "$(id -u)" = 0 ] || have fakeroot || pkgs+=(fakeroot)
    have dtc || pkgs+=(device-tree-compiler)
    have zstd || pkgs+=(zstd)
    have mformat || pkgs+=(mtools)
    have ip || pkgs+=(iproute2)
    have gdb-multiarch || pkgs+=(gdb-multiarch)
    have lldb || compgen -c lldb- >/dev/null || pkgs+=(lldb)
    have lld || pkgs+=(lld)
    have llvm-ar || pkgs+=(llvm)
    if [ ${#pkgs[@]} -gt 0 ]; then
        # What stays missing makes its stage a loud SKIP or a failure; the others still tell something.
        install_packages "the test run" "${pkgs[@]}" || say "going on without them"
    fi
}

# ---- stages ----------------------------------------------------------------------------------------------------------------

# Each prints what it did; its summary lines are added up; without one, its exit status is one test.

stage_format()
{
    have clang-format || { echo "SKIP format: clang-format is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    make -s format-check
}

stage_layers() { python3 tools/check_layers.py && python3 tools/check_size.py; }

stage_shell()
{
    have shellcheck || { echo "SKIP shell: shellcheck is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    local f files=(run.sh test.sh tools/deps.sh .ci/run)
    while IFS= read -r f; do files+=("$f"); done < <(find tests bench tools packaging -name '*.sh' -not -name deps.sh 2>/dev/null | sort)
    shellcheck -x "${files[@]}"
}

# For the stages that run the program: nothing to do after stage_build.
built() { make -s "-j$jobs" all; }

stage_build() { make "-j$jobs" all; }

stage_clang()
{
    have clang || { echo "SKIP clang: not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    make "-j$jobs" CC=clang BUILD=debug prog
}

# The whole program for a Mac with Apple silicon: compiled and linked (tests/macos/README.md).
stage_macos()
{
    { have clang && have lld && have llvm-ar; } ||
        { echo "SKIP macos: clang, lld or llvm is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    tests/macos/build.sh build/macos
}

# Hypervisor.framework's backend, where there is no such framework: over a double of it.
stage_hvf()
{
    make -s "-j$jobs" hvf-double >/dev/null && python3 tests/run_unit.py build/release/hvf-double/test_rules &&
        python3 tests/run_python.py test_hvf
}

# Without the optional libraries everything still builds, and says what it cannot do.
stage_bare()
{
    local o=build/bare without="WITH_LIBFDT=no WITH_ZLIB=no WITH_ZSTD=no WITH_CAPSTONE=no WITH_LIBSLIRP=no WITH_JANSSON=no WITH_LIBDW=no" t
    # shellcheck disable=SC2086
    make -s "-j$jobs" BUILD=debug O=$o $without prog $o/debug/unit/test_fdt $o/debug/unit/test_image $o/debug/unit/test_net_user || return 1
    python3 tests/run_unit.py $o/debug/unit/test_fdt $o/debug/unit/test_image $o/debug/unit/test_net_user || return 1
    for t in '--dump-dtb /dev/null' '--kernel tests/fuzz/corpus/image/image'; do
        # shellcheck disable=SC2086
        $o/debug/vibevmm $t 2>&1 | grep 'no libfdt' || return 1
    done
    $o/debug/vibevmm --kernel tests/fuzz/corpus/image/gzip 2>&1 | grep 'no zlib' || return 1
    $o/debug/vibevmm --binary tests/kernels/alignment.raw --net user 2>&1 | grep 'no user-mode networking' || return 1
    $o/debug/vibevmm --binary tests/kernels/alignment.raw --stats=none 2>&1 | grep 'no device tree' || return 1
    $o/debug/vibevmm --binary tests/kernels/alignment.raw --control unix:$o/socket 2>&1 | grep 'no libjansson' || return 1
    $o/debug/vibevmm --binary tests/kernels/alignment.raw --coverage $o/coverage --symbols $o/none 2>&1 | grep 'no libdw' || return 1
}

# Generated headers are all that it needs of the build.
stage_lint() { make -s gen && python3 tools/lint.py "${lint[@]}"; }

stage_unit() { make -s "-j$jobs" unit-bins >/dev/null && make -s unit; }

stage_asan()
{
    make -s "-j$jobs" BUILD=asan prog unit-bins failing-alloc >/dev/null && make -s BUILD=asan unit &&
        VIBEVMM=$here/build/asan/vibevmm python3 tests/run_python.py test_bad_input test_semihosting test_failing_alloc
}

# The arm64 build, and its unit tests run by qemu-aarch64: the interpreter without a translator.
stage_arm64()
{
    local status=0
    { have aarch64-linux-gnu-gcc && have qemu-aarch64; } ||
        { echo "SKIP arm64: gcc-aarch64-linux-gnu or qemu-user is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    tests/arm64/build.sh prog unit-bins >"$log.arm64" 2>&1 || status=$?
    [ $status = 0 ] || cat "$log.arm64"
    rm -f "$log.arm64"
    case $status in
        0) tests/arm64/build.sh unit ;;
        3) echo "SKIP arm64: Debian's packages for arm64 cannot be fetched"; echo "0 passed, 0 failed, 1 skipped" ;;
        *) return 1 ;;
    esac
}

stage_tsan()
{
    have clang || { echo "SKIP tsan: clang is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    make -s "-j$jobs" tsan
}

stage_kernels() { built && python3 tests/run_python.py test_kernels; }

# Millions of random blocks, translated in every way, against the interpreter: from other seeds each time, which a difference tells.
stage_blocks()
{
    [ "$(uname -m)" = x86_64 ] || { echo "SKIP blocks: no translator for this host"; echo "0 passed, 0 failed, 1 skipped"; return; }
    local i pids=() bad=0 programs=$((6000 / jobs))
    [ -z "${TEST_FULL:-}" ] || programs=$((programs * 20))
    make -s "-j$jobs" unit-bins >/dev/null || return 1
    for ((i = 0; i < jobs; i++)); do
        VIBE_JIT_PROGRAMS=$programs build/release/unit/test_jit_blocks >"$log.$i" 2>&1 &
        pids+=($!)
    done
    for ((i = 0; i < jobs; i++)); do
        wait "${pids[i]}" || { bad=$((bad + 1)); tail -n 80 "$log.$i"; }
        grep comparisons "$log.$i"
        rm -f "$log.$i"
    done
    echo "$((jobs - bad)) passed, $bad failed, 0 skipped"
    [ $bad = 0 ]
}

stage_isa()
{
    built || return 1
    if [ -n "${TEST_FULL:-}" ]; then tests/isa/run.sh --cases 2000; else tests/isa/run.sh; fi
}

# The command line, bad input, the terminal, the generators' bad input, the layer check's own test and whatever else is there; not
# what has a stage of its own.
stage_python()
{
    local f names=()
    for f in tests/test_*.py; do
        f=$(basename "$f" .py)
        case $f in test_kernels | test_hvf | test_failing_alloc | test_guest_*) ;; *) names+=("$f") ;; esac
    done
    built && python3 tests/run_python.py "-j$jobs" "${names[@]}"
}

# Real guests from Debian's packages, fetched into build/guests (or $VIBEVMM_GUESTS) the first time; their consoles are in build/guest-logs.
stage_guests()
{
    local f names=(test_guest_kvm test_guest_userland) # the longest first
    for f in tests/test_guest_*.py; do
        f=$(basename "$f" .py)
        case $f in test_guest_kvm | test_guest_userland) ;; *) names+=("$f") ;; esac
    done
    built && python3 tests/run_python.py "-j$jobs" "${names[@]}"
}

stage_fuzz()
{
    have clang || { echo "SKIP fuzz: clang is not installed"; echo "0 passed, 0 failed, 1 skipped"; return; }
    make -s "-j$jobs" BUILD=fuzz fuzz-bins >/dev/null && make -s BUILD=fuzz FUZZ_SECONDS=$fuzz_seconds fuzz
}

stages=(format layers shell build clang macos bare unit arm64 asan tsan python kernels hvf guests isa blocks fuzz lint)

# ---- running them ----------------------------------------------------------------------------------------------------------

passed=0 failed=0 skipped=0 failed_stages=''

run_stage()
{
    local name=$1 status=0 start=$SECONDS p=0 f=0 s=0 a b c counted=no word
    printf '== %s\n' "$name"
    "stage_$name" >"$log" 2>&1 || status=$?
    while read -r a _ b _ c _; do
        p=$((p + a)) f=$((f + b)) s=$((s + c)) counted=yes
    done < <(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log")
    # A stage that fails says so in its numbers too; one without numbers is one test.
    if [ $status != 0 ] && [ $f = 0 ]; then
        f=1
    elif [ $counted = no ]; then
        p=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" != 0 ]; then
        word=FAIL
        failed_stages="$failed_stages $name"
        cat "$log"
    else
        word=ok
        grep -E '^(SKIP|seed)' "$log"
    fi
    printf '%-4s %-10s %4d passed, %d failed, %d skipped  (%d s)\n' "$word" "$name" "$p" "$f" "$s" $((SECONDS - start))
}

main()
{
    local s k known
    if [ "${1:-}" = --list ]; then
        printf '%s\n' "${stages[@]}"
        return 0
    fi
    for s in "$@"; do
        known=no
        for k in "${stages[@]}"; do [ "$k" = "$s" ] && known=yes; done
        [ $known = yes ] || die "no stage $s; the stages are: ${stages[*]}"
    done
    need_test_tools
    jobs=$(nr_cpus)
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if [ $# = 0 ]; then set -- "${stages[@]}"; fi
    for s in "$@"; do run_stage "$s"; done
    [ -z "$failed_stages" ] || printf 'failed:%s\n' "$failed_stages"
    [ $skipped = 0 ] || printf '%d SKIPPED: see the lines that begin with SKIP\n' "$skipped"
    printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    [ $failed = 0 ]
}

main "$@"
