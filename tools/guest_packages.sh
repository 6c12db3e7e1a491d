#!/usr/bin/env bash
# Debian packages for guests, unpacked without root and without touching the system's own packages:
#   tools/guest_packages.sh PACKAGE...          prints the folder of each, one a line
#   tools/guest_packages.sh --debs PACKAGE...   prints the .deb files of them and of all that they depend on, one a line
# A package is downloaded by apt-get once and unpacked in build/guests/PACKAGE (or in $VIBEVMM_GUESTS/PACKAGE), where it stays. A package
# that only depends on one with the version in its name, as linux-image-arm64 does, stands for that one.
# apt-get works with lists of its own for arm64, so that the host's architectures stay as they are. Status 3: no apt-get here.
set -u
me=guest_packages.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source=tools/deps.sh
. "$here/tools/deps.sh"

cache=${VIBEVMM_GUESTS:-$here/build/guests}
apt=$cache/apt

# apt-get and apt-cache with the lists, cache and architecture of the guests.
guest_apt()
{
    local tool=$1
    shift
    "$tool" -q -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User= -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@"
}

# Lists of the last day are good enough.
update_lists()
{
    [ -n "$(find "$apt/updated" -mtime -1 2>/dev/null)" ] && return 0
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" && : >"$apt/status" || return 1
    say "fetching the package lists for arm64"
    guest_apt apt-get update >"$apt/log" 2>&1 || { tail -n 5 "$apt/log" >&2; return 1; }
    touch "$apt/updated"
}

# The package itself, or the one that it stands for.
real_name()
{
    local name
    name=$(guest_apt apt-cache depends --important "$1" 2>/dev/null | sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p')
    printf '%s\n' "${name:-$1}"
}

# can_fetch WHAT: apt-get is here, and its lists are fresh.
can_fetch()
{
    if ! have apt-get || ! have dpkg-deb; then
        say "there is no apt-get here to fetch with: $1"
        return 3
    fi
    update_lists || { say "apt-get update failed"; return 1; }
}

fetch()
{
    local name=$1 real part=$cache/.$1.part debs
    can_fetch "$name" || return
    real=$(real_name "$name")
    rm -rf "$part" && mkdir -p "$part/deb" "$part/root" || return 1
    say "fetching $real"
    if ! (cd "$part/deb" && guest_apt apt-get download "$real") >"$apt/log" 2>&1; then
        tail -n 5 "$apt/log" >&2
        return 1
    fi
    debs=("$part"/deb/*.deb)
    dpkg-deb -x "${debs[0]}" "$part/root" || return 1
    basename "${debs[0]}" >"$part/root/.package"
    rm -rf "${cache:?}/$name" && mv "$part/root" "$cache/$name" && rm -rf "$part"
}

# Downloads the packages and what they depend on, whatever this system has installed; the files' names.
fetch_all()
{
    local install=(install -y --no-install-recommends "$@") uris
    can_fetch "$*" || return
    # With a cache that is empty it names every one.
    mkdir -p "$apt/none/partial" || return 1
    if ! { uris=$(guest_apt apt-get -o Dir::Cache::archives="$apt/none" --print-uris "${install[@]}" 2>"$apt/log") &&
        uris=$(grep "^'" <<<"$uris") &&
        say "fetching what is missing of $(wc -l <<<"$uris") packages, $(awk '{n += $3} END {printf "%.0f", n / 1e6}' <<<"$uris") MB" &&
        guest_apt apt-get --download-only "${install[@]}" >"$apt/log" 2>&1; }; then
        tail -n 5 "$apt/log" >&2
        return 1
    fi
    awk -v at="$apt/cache/archives/" '{print at $2}' <<<"$uris"
}

[ "${1:-}" = --debs ] && all=yes && shift
[ $# -gt 0 ] || die "usage: tools/guest_packages.sh [--debs] PACKAGE..."
mkdir -p "$cache" || exit 1
cache=$(cd "$cache" && pwd) apt=$cache/apt
# One at a time: two test runs may want the same package.
if have flock; then
    exec 9>"$cache/.lock"
    flock 9
fi
if [ -n "${all:-}" ]; then
    fetch_all "$@"
    exit
fi
for p in "$@"; do
    if [ ! -e "$cache/$p/.package" ]; then
        fetch "$p" || exit $?
    fi
    printf '%s\n' "$cache/$p"
done
