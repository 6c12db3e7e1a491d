#!/bin/sh
# /sbin/init of the images that tools/debian_image.sh makes: what else has to be mounted, then a shell on the console; when it ends, power
# off with the root file system clean. The root may be read-only.
is_there() { mountpoint -q "$1"; }
is_there /proc || mount -t proc proc /proc
is_there /sys || mount -t sysfs sysfs /sys
is_there /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
is_there /dev/pts || mount -t devpts devpts /dev/pts
for d in /dev/shm /run /tmp; do
    mount -t tmpfs -o mode=1777 tmpfs $d
done
hostname -F /etc/hostname
. /etc/os-release
export HOME=/root TERM="${TERM:-vt100}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root || cd /
console=/dev/$(sed 's/.* //' /sys/class/tty/console/active)
echo "init: $PRETTY_NAME on Linux $(uname -r) with $(nproc) CPUs is up"
echo 'Type "poweroff -f", "reboot -f", or Ctrl-D.'
setsid --ctty --wait bash 0<>"$console" 1>&0 2>&0
mount -o remount,ro /
poweroff -f
