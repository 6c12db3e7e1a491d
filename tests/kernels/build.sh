#!/bin/sh
# Builds the test kernels: NAME.S to NAME.raw beside it.
#
#   build.sh [--with gnu|clang|macho] [--out DIR] [NAME ...]
#
# Without names all of them. On macOS `clang -arch arm64`; on Linux clang if it can assemble for AArch64, else the GNU cross assembler.
# --with chooses: gnu (GNU as, ELF), clang (clang, ELF), macho (clang, Mach-O objects, also on Linux). All give the same bytes.
# --out puts the .raw files elsewhere. A kernel is one source with lib/ included and no relocations, so there is no linker.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
with=
out=$here
while [ $# -gt 0 ]; do
    case $1 in
    --with) with=${2:?--with needs gnu, clang or macho}; shift 2 ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "build.sh: unknown option '$1'; see build.sh --help" >&2; exit 2 ;;
    *) break ;;
    esac
done

have() { command -v "$1" >/dev/null 2>&1; }

# Can this clang assemble for that target? (A clang built for its own machine alone can't.)
clang_can() { have clang && printf 'nop\n' | clang "$@" -x assembler -c -o /dev/null - >/dev/null 2>&1; }

gnu_as() {
    if [ "$(uname -m)" = aarch64 ] && [ "$(uname -s)" = Linux ] && have as; then echo as
    elif have aarch64-linux-gnu-as; then echo aarch64-linux-gnu-as
    elif have aarch64-elf-as; then echo aarch64-elf-as
    fi
}

no_assembler() {
    echo "build.sh: $1" >&2
    echo "build.sh: install one: 'apt-get install binutils-aarch64-linux-gnu' or 'apt-get install clang' on Debian and Ubuntu, 'xcode-select --install' on macOS" >&2
    exit 3
}

if [ -z "$with" ]; then
    if [ "$(uname -s)" = Darwin ]; then with=macho
    elif clang_can --target=aarch64-linux-gnu; then with=clang
    else with=gnu
    fi
fi
case $with in
gnu)
    as=$(gnu_as)
    [ -n "$as" ] || no_assembler "no assembler for AArch64 here"
    assemble() { "$as" -I"$here" "$1" -o "$2"; } ;;
clang)
    clang_can --target=aarch64-linux-gnu || no_assembler "no clang that assembles for AArch64 here"
    assemble() { clang --target=aarch64-linux-gnu -I"$here" -c "$1" -o "$2"; } ;;
macho)
    if [ "$(uname -s)" = Darwin ]; then target="-arch arm64"; else target=--target=arm64-apple-macos13; fi
    # shellcheck disable=SC2086 # $target is two words on macOS
    clang_can $target || no_assembler "no clang that makes arm64 Mach-O objects here"
    # shellcheck disable=SC2086
    assemble() { clang $target -I"$here" -c "$1" -o "$2"; } ;;
*)  echo "build.sh: --with '$with': it is gnu, clang or macho" >&2; exit 2 ;;
esac

have python3 || { echo "build.sh: python3 is needed by extract_binary.py: 'apt-get install python3'" >&2; exit 3; }
if [ $# -eq 0 ]; then
    for source in "$here"/*.S; do
        set -- "$@" "$(basename "$source" .S)"
    done
fi

mkdir -p "$out"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for name in "$@"; do
    name=$(basename "$name" .S)
    if [ ! -f "$here/$name.S" ]; then
        echo "build.sh: there is no kernel '$name' (no $name.S)" >&2
        exit 2
    fi
    assemble "$here/$name.S" "$tmp/$name.o"
    python3 "$here/extract_binary.py" "$tmp/$name.o" "$tmp/$name.raw"
    mv "$tmp/$name.raw" "$out/$name.raw"
    printf '%-16s %6d bytes\n' "$name.raw" "$(wc -c <"$out/$name.raw")"
done
