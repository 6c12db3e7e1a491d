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

# What came after macOS 13 is imported weakly, for else the program would not start there.
gic=$(llvm-nm -m "$out/debug/vibevmm" | grep ' _hv_gic_')
if grep -v '(undefined) weak external' <<<"$gic"; then
    echo "build.sh: not imported weakly" >&2
    exit 1
fi

# And with the headers of macOS 13, which lack it: it says so when it is asked for.
for file in src/hv/hvf/*.c; do
    MACOS_HEADERS=130300 "$here/cc" -Isrc "-I$out" -D_GNU_SOURCE -DHAVE_HVF=1 -std=c11 -Wall -Wextra -Werror -c -o "$out/older.o" "$file"
    if llvm-nm "$out/older.o" | grep _hv_gic_; then
        echo "build.sh: $file calls what older headers lack" >&2
        exit 1
    fi
done
rm "$out/older.o"
