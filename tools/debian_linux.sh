#!/usr/bin/env bash
# Boots Debian's arm64 kernel to a busybox shell on the terminal:
#   tools/debian_linux.sh [OPTION]...      options of vibevmm: --cpus 4, --mem 1G, --disk FILE
# Kernel and busybox are fetched as packages once, into build/guests. KERNEL=linux-image-arm64 takes the general kernel instead of the
# one for virtual machines, CMDLINE replaces the kernel's command line, MODULES names kernel modules to have in the initial RAM disk.
set -u
me=debian_linux.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source=tools/deps.sh
. "$here/tools/deps.sh"

kernel=${KERNEL:-linux-image-cloud-arm64}
folders=$("$here/tools/guest_packages.sh" "$kernel" busybox-static) || exit $?
{ read -r linux && read -r busybox; } <<<"$folders"
image=$(find "$linux/boot" -name 'vmlinuz-*' | head -n 1)
modules=$(find "$linux/lib/modules" -mindepth 1 -maxdepth 1 | head -n 1)
initrd=$(dirname "$linux")/initrd-$kernel.gz
python3 "$here/tools/mkinitramfs.py" --output "$initrd" --busybox "$busybox/bin/busybox" \
    --modules "$modules" "${MODULES:-virtio_mmio,virtio_blk,virtio_net,virtio_rng,virtio_console,ext4}" || exit 1
cmdline=${CMDLINE:-console=ttyAMA0}
say "./run.sh --kernel $image --initrd $initrd --cmdline \"$cmdline\" $*"
exec "$here/run.sh" --kernel "$image" --initrd "$initrd" --cmdline "$cmdline" "$@"
