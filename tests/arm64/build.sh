#!/usr/bin/env bash
# The arm64 build, by the cross compiler, with what it is linked with from Debian's packages:
#   build.sh MAKE-ARGUMENT...      prog, unit-bins, unit ...
# Unit tests run under qemu-aarch64. Status 3: a package is not to be had.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
prefix=aarch64-linux-gnu-
packages=$("$root/tools/guest_packages.sh" libfdt-dev zlib1g-dev libcmocka-dev libcmocka0) || exit 3
include='' lib=''
for p in $packages; do
    include="$include -idirafter $p/usr/include"
    lib="$lib -L$p/usr/lib/aarch64-linux-gnu"
    cmocka=$p/usr/lib/aarch64-linux-gnu
done

# What the programs here find at run time: the cross compiler's libraries, and cmocka.
run="qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$cmocka"
make -C "$root" -s "-j$(getconf _NPROCESSORS_ONLN)" CROSS=$prefix CPPFLAGS="$include" LDFLAGS="$lib" CMOCKA_LIBS=-l:libcmocka.so.0 \
    RUN="$run" "$@"
