# shellcheck shell=bash
# What run.sh and test.sh share: finding what the host lacks, and installing it. Sourced; $me is the name in messages.

me=${me:-deps.sh}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# cc_has HEADER...: the C compiler that the Makefile will use finds them all.
cc_has()
{
    {
        printf '#include <%s>\n' stddef.h stdarg.h stdint.h setjmp.h
        printf '#include <%s>\n' "$@"
    } | "${CC:-gcc}" -E -x c - >/dev/null 2>&1
}

# as_root COMMAND...: runs it as root, by sudo or doas where we are not.
as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    elif have doas; then
        doas "$@"
    else
        return 127
    fi
}

# deb_available PACKAGE: apt knows a candidate for it.
deb_available() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

# install_packages WHY PACKAGE...: Debian and its kin; elsewhere says what to install. 0 when everything is there now.
install_packages()
{
    local why=$1 log p missing=()
    shift
    [ $# -gt 0 ] || return 0
    if ! have apt-get; then
        say "$why needs what Debian calls: $*"
        say "install the same with this system's package manager, then run again"
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! have sudo && ! have doas; then
        say "$why needs packages that are missing. As root, run:  apt-get install $*"
        return 1
    fi
    say "$why needs packages that are missing; installing by apt-get: $*"
    log=$(mktemp)
    for p in "$@"; do deb_available "$p" || missing+=("$p"); done
    # Empty or stale lists are usual on a fresh machine or in a container.
    if [ ${#missing[@]} -gt 0 ]; then as_root apt-get update >"$log" 2>&1 || say "apt-get update failed, trying with the lists there are"; fi
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; then
        # Lists that were right when they were fetched may name versions that are gone.
        as_root apt-get update >>"$log" 2>&1
        if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; then
            say "apt-get install failed:"
            tail -n 15 "$log" >&2
            rm -f "$log"
            return 1
        fi
    fi
    rm -f "$log"
}

# Device trees, compressed kernels, disassembly, networks, JSON.
optional_libs=(pkg-config libfdt-dev zlib1g-dev libzstd-dev libcapstone-dev libslirp-dev libjansson-dev libdw-dev)

# need_build_tools: what the program itself is built with.
need_build_tools()
{
    local pkgs=()
    if [ "$(uname -s)" = Darwin ]; then
        if ! xcode-select -p >/dev/null 2>&1; then
            die "the command line developer tools are missing; run:  xcode-select --install  and then this again"
        fi
        have python3 || die "python3 is missing; run:  xcode-select --install  and then this again"
        return 0
    fi
    have "${CC:-gcc}" || pkgs+=("$(basename "${CC:-gcc}")")
    have make || pkgs+=(make)
    have python3 || pkgs+=(python3)
    have "${CC:-gcc}" && cc_has pthread.h || pkgs+=(libc6-dev)
    if [ ${#pkgs[@]} -gt 0 ]; then
        install_packages "the build" "${pkgs[@]}" "${optional_libs[@]}" || exit 1
    elif [ ! -e bin/vibevmm ] && ! cc_has libfdt.h zlib.h zstd.h; then
        # Asked for once: a build without them works too, and says what it lacks when it is needed.
        install_packages "running Linux" "${optional_libs[@]}" ||
            say "going on without them: this build will run raw kernels and ELF files"
    fi
}

nr_cpus() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# build_quietly WHAT MAKE-ARGUMENT...: silent when it takes less than two seconds; the whole log when it fails.
build_quietly()
{
    local what=$1 log pid status=0 ticks=0 total shown=0 line=''
    shift
    log=$(mktemp)
    make "-j$(nr_cpus)" WERROR="${WERROR:-0}" "$@" >"$log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM HUP
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$ticks" -ge 20 ]; then
            if [ $shown = 0 ]; then
                shown=1
                total=$(find src -name '*.c' | wc -l | tr -d ' ')
                [ -t 2 ] || say "building $what (about $total files) ..."
            fi
            if [ -t 2 ]; then
                line=$(printf '%s: building %s ... %s of about %s files' "$me" "$what" "$(grep -c '^  CC' "$log")" "$total")
                printf '\r%s' "$line" >&2
            fi
            sleep 0.5
        else
            # Short naps first, so that a build with nothing to do costs no more than it must.
            if [ "$ticks" -lt 10 ]; then sleep 0.02; else sleep 0.2; fi
            ticks=$((ticks + 1))
        fi
    done
    wait "$pid" || status=$?
    trap - INT TERM HUP
    [ -z "$line" ] || printf '\r%*s\r' "${#line}" '' >&2
    if [ $status != 0 ]; then
        cat "$log" >&2
        say "the build of $what failed"
    fi
    rm -f "$log"
    return $status
}
