#!/bin/sh
# Runs a file of tests/browser under node, with playwright-core at hand:
# tests/browser/run.sh [--alone] FILE [ARGUMENT…].  --alone: in a network of its own, as root:
# Chromium aborts what a page loads when an address of its computer changes, and tests
# beside this one plug in cables.  The module comes from the npm registry as
# package-lock.json says, once, into a cache outside the tree; the browser is
# Debian's.
set -eu

alone=
if [ "$1" = --alone ]; then
    shift
    [ "$(id -u)" -ne 0 ] || alone=yes
fi
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/.*"playwright-core": "\([0-9.]*\)".*/\1/p' "$here/package.json")
cache=${DCOP_BROWSER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dcop-tests}/playwright-$version

for program in node npm; do
    command -v "$program" >/dev/null || { printf 'no %s: install it with: sudo make deps-check\n' "$program" >&2; exit 3; }
done
for browser in chromium-headless-shell chromium ''; do
    if [ -z "$browser" ]; then printf 'no chromium: install it with: sudo make deps-check\n' >&2; exit 3; fi
    if CHROMIUM=$(command -v "$browser"); then break; fi
done

# Made beside and moved, so that two that begin at once do no harm.
if ! cmp -s "$here/package-lock.json" "$cache/package-lock.json"; then
    mkdir -p "$(dirname "$cache")"
    made=$(mktemp -d "$cache.XXXXXX")
    trap 'rm -rf "$made"' EXIT
    cp "$here/package.json" "$here/package-lock.json" "$made"
    npm ci --prefix "$made" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    rm -rf "$cache"
    mv -T "$made" "$cache" 2>/dev/null || [ -d "$cache/node_modules" ]
    rm -rf "$made"
    trap - EXIT
fi
PLAYWRIGHT=$cache/node_modules/playwright-core
export PLAYWRIGHT CHROMIUM
file=$1
shift
[ -z "$alone" ] || exec unshare --net sh -c 'ip link set lo up && exec node "$@"' sh "$file" "$@"
exec node "$file" "$@"
