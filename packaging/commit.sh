#!/bin/sh
# What the tree is made of: the commit, its time in seconds, its author. In a source tarball packaging/commit has them, in a checkout git.
cd "$(dirname "$0")/.." || exit 1
case $(cat packaging/commit) in
[0-9a-f]*) cat packaging/commit ;;
*) git log -1 --format='%H %ct %an <%ae>' 2>/dev/null ;;
esac
