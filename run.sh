#!/usr/bin/env bash
# Builds bin/vibevmm where that is needed, installing the compiler first if the machine has none, and runs it:
#   ./run.sh --binary tests/kernels/arm64_hello.raw --entry 0x10000 --mem 128M
# File names are relative to where you are, not to where this script lies.
set -u
me=run.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
# shellcheck source=tools/deps.sh
. "$here/tools/deps.sh"

(
    cd "$here" || exit 1
    need_build_tools
    build_quietly vibevmm
) || exit 1
exec "$here/bin/vibevmm" "$@"
