#!/usr/bin/env bash
# A disk with a Debian userland for arm64 guests, made of packages, without root and without running any of their scripts:
#   tools/debian_image.sh IMAGE [PACKAGE...]      bash and the usual commands, the packages, and what they depend on
#   CMDLINE="console=ttyAMA0 root=/dev/vda rw" tools/debian_linux.sh --disk IMAGE
# IMAGE is a raw ext4 file system with 512 MiB to spare. Documentation and translations are left out. tools/debian_init.sh is its /sbin/init:
# a shell on the console. Packages are kept in build/guests/apt (or below $VIBEVMM_GUESTS).
set -u
me=debian_image.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source=tools/deps.sh
. "$here/tools/deps.sh"

# busybox is there for poweroff and reboot: of the init systems, none is installed.
base=(base-files base-passwd bash busybox-static coreutils dash diffutils e2fsprogs findutils grep gzip hostname libc-bin mawk mount
    ncurses-base procps sed tar util-linux)
spare_mib=512

# unpack ROOT DEB...: and what the packages' scripts would have made of it.
unpack()
{
    local root=$1 d
    shift
    # /bin, /lib and /sbin are links, which the packages' own folders of these names must not replace.
    for d in bin lib sbin; do
        mkdir -p "$root/usr/$d" && ln -s "usr/$d" "$root/$d" || return 1
    done
    for d; do
        dpkg-deb --fsys-tarfile "$d" | tar -C "$root" -x --keep-directory-symlink --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' || return 1
    done
    mkdir -p "$root/mnt" "$root/media" "$root/opt" "$root/srv" || return 1
    [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh" || return 1
    ln -s mawk "$root/usr/bin/awk" && { [ ! -e "$root/usr/bin/gcc" ] || ln -sf gcc "$root/usr/bin/cc"; } || return 1
    for d in poweroff reboot halt; do
        ln -s ../bin/busybox "$root/sbin/$d" || return 1
    done
    for d in passwd group; do
        cp "$root/usr/share/base-passwd/$d.master" "$root/etc/$d" || return 1
    done
    echo debian >"$root/etc/hostname" && printf '127.0.0.1 localhost\n127.0.1.1 debian\n' >"$root/etc/hosts" &&
        ln -sf /proc/self/mounts "$root/etc/mtab" && : >"$root/etc/fstab" && install -m 755 "$here/tools/debian_init.sh" "$root/sbin/init"
}

[ $# -gt 0 ] || die "usage: tools/debian_image.sh IMAGE [PACKAGE...]"
PATH=$PATH:/usr/sbin:/sbin
have mke2fs || die "mke2fs is missing (Debian: e2fsprogs)"
# Files in the image belong to root, and some to others.
if [ "$(id -u)" != 0 ]; then
    have fakeroot || die "fakeroot is missing (Debian: fakeroot)"
    exec fakeroot -- "${BASH_SOURCE[0]}" "$@"
fi
image=$1
shift
list=$("$here/tools/guest_packages.sh" --debs "${base[@]}" "$@") || exit $?
mapfile -t debs <<<"$list"
tmp=$(mktemp -d "$image.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
say "unpacking ${#debs[@]} packages"
unpack "$tmp/root" "${debs[@]}" || die "unpacking failed"
size=$(du -sk --apparent-size "$tmp/root") && size=$((${size%%[!0-9]*} * 9 / 8 + spare_mib * 1024))
# Blocks of a page: see docs/disks.md.
mke2fs -q -F -t ext4 -b 4096 -m 0 -E root_owner=0:0 -L debian -d "$tmp/root" "$tmp/image" "${size}k" </dev/null >/dev/null ||
    die "mke2fs failed"
mv "$tmp/image" "$image"
