#!/usr/bin/env bash
# Compiles and links the whole program for a Mac with Apple silicon, without one: README.md. Any warning fails.
#   build.sh DIR      DIR, from the top of the sources, gets debug/vibevmm
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
out=$1
jobs=$(getconf _NPROCESSORS_ONLN)

# The optional libraries' headers are as on any system; those that this one has are used. Not the rest of /usr/include.
mkdir -p "$out"
libs=$(cd "$out" && pwd)/libraries
rm -rf "$libs"
mkdir -p "$libs"
for dir in /usr/include "/usr/include/$(uname -m)-linux-gnu"; do
    for h in libfdt.h fdt.h libfdt_env.h zlib.h zconf.h zstd.h zstd_errors.h capstone/*.h slirp jansson*.h; do
        # shellcheck disable=SC2086
        for file in "$dir"/$h; do
            if [ -e "$file" ]; then ln -sf "$file" "$libs/"; fi
        done
    done
done

PKG_CONFIG_LIBDIR=/nonexistent MACOS_LIBRARIES=$libs make -s "-j$jobs" BUILD=debug OS=Darwin MACHINE=arm64 CC="$here/cc" AR=llvm-ar \
    O="$out" CODESIGN=: VTOOL=: prog
