#!/usr/bin/env bash
# Runs a script of this directory with the packages of requirements.txt, which are installed into
# target/python-venv the first time; the scripts llm_*.py with those of requirements-llm.txt, which are
# installed into target/python-llm-venv.
#
#   tests/python/python.sh SCRIPT [ARGUMENT…]
#
# Needs python3 with venv and, the first time, PyPI.
set -euo pipefail

[[ $# -ge 1 ]] || { echo "tests/python: python.sh SCRIPT [ARGUMENT…]" >&2; exit 1; }
here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
requirements=$here/requirements.txt
venv=$here/../../target/python-venv
if [[ $1 == llm_* ]]; then
    requirements=$here/requirements-llm.txt
    venv=$here/../../target/python-llm-venv
fi
python=$venv/bin/python

# Of two runs at once, one installs.
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
# A copy of the requirements marks a complete installation of them.
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    # Everything that is needed is pinned there, and nothing else is brought.
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
    echo "tests/python: packages are installed" >&2
fi
exec 9>&-

script=$here/$1
shift
# No __pycache__ in the repository.
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$script" "$@"
