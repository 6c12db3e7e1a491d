#!/bin/sh
# /init of the guests that tools/mkinitramfs.py makes: the usual mounts, the modules, then a shell on the console; when it ends, power off.
# A script /run that was added runs instead of the shell. With root=DEVICE on the kernel's command line, that disk's /sbin/init takes over;
# rootfstype= (ext4), ro and rw mean what they mean to Linux.
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
while read -r m; do
    insmod "/lib/modules/$m.ko" || echo "init: module $m could not be loaded"
done </etc/modules
root='' type=ext4 mode=ro
read -r cmdline </proc/cmdline
for word in $cmdline; do
    case $word in
    root=*) root=${word#root=} ;;
    rootfstype=*) type=${word#rootfstype=} ;;
    ro | rw) mode=$word ;;
    esac
done
if [ -n "$root" ] && mkdir -p /new && mount -t "$type" -o "$mode" "$root" /new; then
    for d in dev proc sys; do
        mount --move /$d /new/$d
    done
    exec switch_root -c /dev/console /new /sbin/init
fi
export HOME=/root TERM="${TERM:-vt100}" PS1='\w # '
cd /root || exit 1
echo "init: Linux $(uname -r) with $(nproc) CPUs is up"
if [ -e /run ]; then
    sh /run </dev/console
else
    echo 'Type "poweroff -f", "reboot -f", or Ctrl-D.'
    setsid cttyhack sh
fi
poweroff -f
