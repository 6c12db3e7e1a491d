#!/usr/bin/env bash
# The source tarball of the commit that is checked out, and a Homebrew formula that builds it:
#   dist.sh DIR [URL]      DIR gets vibevmm-VERSION.tar.gz, the same bytes each time, its sha256, and vibevmm.rb
# URL is where the tarball will be found; without one the formula names the file in DIR.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$here/.."
name=vibevmm-$(cat VERSION)
tarball=$out/$name.tar.gz

git rev-parse --verify -q HEAD >/dev/null || { echo "dist.sh: the tarball is made of a commit, and this is no git checkout" >&2; exit 1; }
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "dist.sh: what is not committed is not in $name.tar.gz" >&2
TZ=UTC git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD | gzip -n -9 >"$tarball.part"
mv -f "$tarball.part" "$tarball"
if command -v sha256sum >/dev/null; then sum=$(sha256sum "$tarball"); else sum=$(shasum -a 256 "$tarball"); fi
sum=${sum%% *}
printf '%s  %s\n' "$sum" "$name.tar.gz" >"$tarball.sha256"
sed -e "s|@URL@|${2:-file://$tarball}|" -e "s|@SHA256@|$sum|" packaging/homebrew/vibevmm.rb.in >"$out/vibevmm.rb"
printf '  DIST %s\n' "$tarball" "$out/vibevmm.rb"
