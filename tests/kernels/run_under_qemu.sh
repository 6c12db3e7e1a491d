#!/bin/sh
# Runs test kernels under qemu-system-aarch64 -M virt: where the machine is the same, what passes here proves the test.
#
#   run_under_qemu.sh [-v] NAME ... | all
#
# Prints "PASS name (cpu)", "FAIL name (cpu): why" or "SKIP name: why" for each run, before it the parts that the kernel itself skipped;
# exit status 1 if one failed. -v shows all that the kernel printed. TIMEOUT (seconds, 60) bounds each run.
# What runs on which CPUs with which options stands in kernels.list.
set -u

here=$(cd "$(dirname "$0")" && pwd)
verbose=0
if [ "${1-}" = -v ]; then verbose=1; shift; fi
[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
if ! command -v qemu-system-aarch64 >/dev/null 2>&1; then
    echo "run_under_qemu.sh: no qemu-system-aarch64 here: 'apt-get install qemu-system-arm'" >&2
    exit 3
fi

tmp=$(mktemp -d)
mkdir "$tmp/files"
trap 'rm -rf "$tmp"' EXIT
failed=0

# Not 0x40010000: with -device loader QEMU keeps its device tree at the start of RAM, 1 MiB long. Any multiple of 2 MiB plus 64 KiB will do.
address=0x40210000

trim() { printf '%s' "$1" | sed 's/^ *//;s/ *$//'; }

# run_one NAME CPU CPUS OPTIONS STDIN EXPECT
run_one() {
    printf '%b' "$5" >"$tmp/in"
    printf '%b' "$6" >"$tmp/expect"
    serial=stdio
    case $4 in *chardev*) serial="file:$tmp/serial" ;; esac
    : >"$tmp/serial"
    # shellcheck disable=SC2086 # options are words
    cd "$tmp/files" && timeout "${TIMEOUT:-60}" qemu-system-aarch64 -M virt,gic-version=3 -cpu "$2" -smp "$3" -m 128M -display none -nodefaults \
        -serial "$serial" -device "loader,file=$here/$1.raw,addr=$address,cpu-num=0,force-raw=on" $4 <"$tmp/in" >"$tmp/out" 2>"$tmp/err"
    rc=$?
    cat "$tmp/out" "$tmp/serial" | tr -d '\r' >"$tmp/text"
    if [ $verbose = 1 ]; then sed "s/^/    /" "$tmp/text"; fi

    why=
    if [ "$rc" = 124 ]; then
        why="no end within ${TIMEOUT:-60} seconds; the last line was: $(tail -n 1 "$tmp/text")"
    elif [ "$rc" != 0 ]; then
        why="qemu: exit status $rc: $(head -n 1 "$tmp/err")"
    elif ! grep -qx "PASS $1" "$tmp/text"; then
        why=$(grep "^FAIL" "$tmp/text" || echo "no PASS line; the last line was: $(tail -n 1 "$tmp/text")")
    fi
    while [ -z "$why" ] && IFS= read -r line; do
        grep -qxF -e "$line" "$tmp/text" || why="the line '$line' is missing"
    done <"$tmp/expect"
    grep '^SKIP' "$tmp/text" | sed "s/^/  $2: /"
    if [ -z "$why" ]; then
        echo "PASS $1 ($2)"
    else
        echo "FAIL $1 ($2): $why"
        failed=1
    fi
}

# run_row: one row of the list, by $name $cpus $qemu $qemu_options $input $expect
run_row() {
    case $qemu in
    no*) echo "SKIP $name: ${qemu#no: }"; return ;;
    esac
    for cpu in $qemu; do
        run_one "$name" "$cpu" "$cpus" "$qemu_options" "$input" "$expect"
    done
}

for wanted in "$@"; do
    found=0
    while IFS='|' read -r name cpus qemu qemu_options vibe_options input expect; do
        name=$(trim "$name")
        case $name in '' | '#'*) continue ;; esac
        [ "$wanted" = all ] || [ "$wanted" = "$name" ] || continue
        found=1
        cpus=$(trim "$cpus") qemu=$(trim "$qemu") qemu_options=$(trim "$qemu_options") vibe_options=$(trim "$vibe_options")
        input=$(trim "$input") expect=$(trim "$expect")
        run_row </dev/null
    done <"$here/kernels.list"
    if [ $found = 0 ]; then
        echo "run_under_qemu.sh: kernels.list has no kernel '$wanted'" >&2
        exit 2
    fi
done
exit $failed
