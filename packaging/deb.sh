#!/usr/bin/env bash
# A Debian package of a build, what `make install` installs and the documentation:
#   deb.sh ARCH DIR [MAKE...]      ARCH amd64 or arm64; DIR gets vibevmm_VERSION_ARCH.deb; MAKE builds it (make, or tests/arm64/build.sh)
# Its maintainer is $DEBFULLNAME <$DEBEMAIL>, as Debian's tools have it, or the author of the commit. The same bytes each time.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
cd "$here/.."
version=$(cat VERSION)
read -r _ SOURCE_DATE_EPOCH author < <(packaging/commit.sh) || { echo "deb.sh: no git checkout, nor a source tarball" >&2; exit 1; }
export SOURCE_DATE_EPOCH
maintainer=$author
[ -z "${DEBEMAIL:-}" ] || maintainer="${DEBFULLNAME:-vibevmm} <$DEBEMAIL>"
umask 022

# dpkg-shlibdeps wants these names.
work=$out/$arch root=$out/$arch/debian/vibevmm
rm -rf "$work" && mkdir -p "$root"
"$@" install DESTDIR="$root" PREFIX=/usr ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions >/dev/null

# The program without its symbols; what it needs by the libraries' own account.
case $arch in
arm64)
    strip=aarch64-linux-gnu-strip
    sysroot=$(tools/arm64_sysroot.sh)
    libraries=(--admindir="$sysroot/var/lib/dpkg" -l"$sysroot/usr/lib/aarch64-linux-gnu" -l"$sysroot/lib/aarch64-linux-gnu")
    [ "$(dpkg --print-architecture)" != arm64 ] || strip=strip libraries=()
    ;;
*) strip=strip libraries=() ;;
esac
"$strip" --remove-section=.comment --remove-section=.note "$root/usr/bin/vibevmm"
: >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O ${libraries[@]+"${libraries[@]}"} debian/vibevmm/usr/bin/vibevmm)

doc=$root/usr/share/doc/vibevmm
mkdir -p "$doc/docs/adr"
install -m 644 README.md ARCHITECTURE.md "$doc"
install -m 644 docs/*.md "$doc/docs"
install -m 644 docs/adr/*.md "$doc/docs/adr"
{
    printf '%s\n' 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/' 'Upstream-Name: vibevmm' '' 'Files: *'
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
    printf '%s\n' 'License: Expat' '' 'License: Expat'
    sed '1,/^Copyright/d' LICENSE | sed '1{/^$/d}; s/^$/./; s/^/ /'
} >"$doc/copyright"
{
    printf 'vibevmm (%s) unstable; urgency=medium\n\n  * Version %s.\n\n -- %s  ' "$version" "$version" "$maintainer"
    LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH"
} >"$doc/changelog"
gzip -n -9 "$doc/changelog" "$root/usr/share/man/man1/vibevmm.1"

mkdir "$root/DEBIAN"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@MAINTAINER@/${maintainer//[&\/]/\\&}/; s/@SIZE@/$(du -k -s --apparent-size "$root/usr" | cut -f1)/" \
    -e "s/@DEPENDS@/${depends#*=}/" packaging/debian/control.in >"$root/DEBIAN/control"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz -b "$root" "$out" | sed 's/^/  /'
rm -rf "$work"
