#!/bin/sh
# /init of the guests that tools/mkinitramfs.py makes: the usual mounts, the modules, then a shell on the console; when it ends, power off.
# A script /run that was added runs instead of the shell.
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
while read -r m; do
    insmod "/lib/modules/$m.ko" || echo "init: module $m could not be loaded"
done </etc/modules
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
