# Ends a test server when the test process is gone, however it went: a static is never dropped and
# a killed process cleans nothing up, but the kernel closes its end of a pipe in every case.
#
# Arguments: the run directory, which is removed, and the data directory in it. Standard input: a
# line with the postmaster's process id after each start, "-" after each stop, and at last its end.

# shellcheck shell=sh disable=SC2046 # `family` is several words

run=$1 data=$2 pid=-
trap '' HUP INT TERM

while read -r line; do pid=$line; done

family() {
    echo "$pid"
    grep -lsE "^PPid:[[:space:]]*$pid\$" /proc/[0-9]*/status | cut -d/ -f3
}

if [ "$pid" != - ]; then
    # A paused server cannot obey.
    kill -CONT $(family)
    kill -QUIT "$pid"
    # The lock file is the last thing that an orderly end removes.
    tries=50
    while [ -e "$data/postmaster.pid" ] && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
    [ -e "$data/postmaster.pid" ] && kill -KILL $(family)
fi

# A killed server leaves a System V segment behind, and the kernel has a limited number of them.
segment=$(sed -n '7s/.* //p' "$data/postmaster.pid")
[ -n "$segment" ] && ipcrm -m "$segment"

# Its last processes may still be writing.
tries=50
until rm -rf "$run" || [ $((tries -= 1)) -le 0 ]; do sleep 0.1; done
