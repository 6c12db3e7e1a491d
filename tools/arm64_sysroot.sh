#!/usr/bin/env bash
# The optional libraries for arm64, from Debian's packages, to cross-compile with and to run what that made:
#   tools/arm64_sysroot.sh      prints the folder, made the first time: build/guests/sysroot-arm64, or beside the packages in $VIBEVMM_GUESTS
# In its var/lib/dpkg is what dpkg-shlibdeps asks: which file is of which package. Status 3: no apt-get here.
set -u
me=arm64_sysroot.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source=tools/deps.sh
. "$here/tools/deps.sh"

with_headers=(libfdt-dev zlib1g-dev libzstd-dev libcapstone-dev libslirp-dev libjansson-dev libcmocka-dev)
with_libraries=(libfdt1 zlib1g libzstd1 libcapstone4 libslirp0 libjansson4 libcmocka0)
made_of="1 ${with_headers[*]} ${with_libraries[*]}"

cache=${VIBEVMM_GUESTS:-$here/build/guests}
root=$cache/sysroot-arm64
if [ "$(cat "$root/made-of" 2>/dev/null)" = "$made_of" ]; then
    printf '%s\n' "$(cd "$root" && pwd)"
    exit 0
fi

headers=$("$here/tools/guest_packages.sh" "${with_headers[@]}") || exit $?
debs=$("$here/tools/guest_packages.sh" --debs "${with_libraries[@]}") || exit $?
cache=$(cd "$cache" && pwd) root=$cache/sysroot-arm64
part=$cache/.sysroot-arm64.part
rm -rf "$part" && mkdir -p "$part/var/lib/dpkg/info" || exit 1
while IFS= read -r dir; do
    cp -a "$dir/usr" "$part/" || exit 1
done <<<"$headers"
while IFS= read -r deb; do
    dpkg-deb -x "$deb" "$part" && dpkg-deb -e "$deb" "$part/control" || exit 1
    name=$(sed -n 's/^Package: //p' "$part/control/control"):arm64
    { sed '/^Status:/d' "$part/control/control"; printf 'Status: install ok installed\n\n'; } >>"$part/var/lib/dpkg/status"
    for f in symbols shlibs; do
        [ ! -e "$part/control/$f" ] || mv "$part/control/$f" "$part/var/lib/dpkg/info/$name.$f"
    done
    # By the names that they have here.
    dpkg-deb --fsys-tarfile "$deb" | tar -t | sed "s|^\.|$root|; s|/\$||" >"$part/var/lib/dpkg/info/$name.list"
    rm -rf "$part/control"
done <<<"$debs"
echo 1 >"$part/var/lib/dpkg/info/format"
# Links of a system's root stay within this one.
find "$part" -type l -lname '/*' | while IFS= read -r link; do
    ln -sfn "$root$(readlink "$link")" "$link"
done
printf '%s\n' "$made_of" >"$part/made-of"
rm -rf "$root" && mv "$part" "$root" && printf '%s\n' "$root"
