#!/usr/bin/env bash
# The arm64 build, by the cross compiler, with the libraries of tools/arm64_sysroot.sh:
#   build.sh MAKE-ARGUMENT...      prog, unit-bins, unit, install ...
# Unit tests run under qemu-aarch64. Status 3: a package is not to be had.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sysroot=$("$here/../../tools/arm64_sysroot.sh") || exit 3
lib=$sysroot/usr/lib/aarch64-linux-gnu
# What libraries need themselves, and what the programs here find at run time.
more=$lib:$sysroot/lib/aarch64-linux-gnu
export PKG_CONFIG_SYSROOT_DIR=$sysroot PKG_CONFIG_LIBDIR=$lib/pkgconfig

make -C "$here/../.." -s "-j$(getconf _NPROCESSORS_ONLN)" CROSS=aarch64-linux-gnu- PKG_CONFIG=pkg-config CPPFLAGS="-idirafter $sysroot/usr/include" \
    LDFLAGS="-L$lib -Wl,-rpath-link,$more" RUN="qemu-aarch64 -L $sysroot -E LD_LIBRARY_PATH=$more" "$@"
