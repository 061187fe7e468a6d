#!/usr/bin/env bash
# Runs a script of this directory with the packages of package-lock.json, which are installed into
# target/javascript-sdk the first time.
#
#   tests/javascript/node.sh SCRIPT [ARGUMENT…]
#
# Needs Node.js 18.19 or newer with npm and, the first time, the npm registry.
set -euo pipefail

fail() { echo "tests/javascript: $*" >&2; exit 1; }

[[ $# -ge 1 ]] || fail "node.sh SCRIPT [ARGUMENT…]"

here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
# Never node_modules in the repository: everything is copied to where it is installed, and run there.
place=$here/../../target/javascript-sdk

# Of two runs at once, one installs.
mkdir -p "$(dirname "$place")"
exec 9>"$place.lock"
flock 9
# A copy of the lock file beside it marks a complete installation.
if ! cmp -s "$here/package-lock.json" "$place.installed"; then
    rm -rf "$place" "$place.installed"
    mkdir "$place"
    cp "$here/package.json" "$here/package-lock.json" "$place/"
    # No package's own scripts: none of these needs them.
    (cd "$place" && npm ci --silent --ignore-scripts --no-audit --no-fund) >&2 || fail "npm ci failed"
    cp "$here/package-lock.json" "$place.installed"
    echo "tests/javascript: packages are installed" >&2
fi
exec 9>&-

script=$here/$1
shift
NODE_PATH=$place/node_modules exec node "$script" "$@"
