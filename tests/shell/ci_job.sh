#!/bin/sh
# A job of some CI as people write them: it builds, tests and deploys, and tells of it by `annals trace`.
#
#   ANNALS_URL=… ANNALS_TRACE_TOKEN=… tests/shell/ci_job.sh ANNALS
#
# ANNALS is the program. The token is in the environment, as a deployment engine sets it, and on no command line.
set -eu

annals=$1
trace() { "$annals" trace "$@"; }

# Wherever the job stops, everything that is open ends.
trap 'trace end --all --status failed --message "the job stopped early"' EXIT

trace start 'CI job' >/dev/null
trace metadata commit 4bf92f3577b34da6a3ce929d0e0e4736
trace metadata branch 'feature/naïve "quotes" & spaces'

trace step Checkout pass --message '1,204 files'

trace start Build >/dev/null
trace metadata images api worker web
for image in api worker web; do
  trace step "Build $image" pass
done
trace end

# A step that fails and that the job can live with.
trace start Test >/dev/null
trace metadata tests 412 --typed
trace step 'Unit tests' pass --message '412 passed'
if sh -c 'echo "lint: 3 warnings" >&2; exit 3' 2>lint.log; then
  trace step Lint pass
else
  trace step Lint fail --message "exit code $?
$(cat lint.log)"
fi
trace end --status completed --message 'lint is no reason to stop'

trace start Deploy >/dev/null
# Two regions at the same time, each naming the action that its steps are part of.
all=$(trace start Regions)
running=
for region in eu us; do
  action=$(trace start "Region $region" --action "$all")
  (
    trap - EXIT
    trace step "Apply in $region" pass --action "$action" --message '3 objects configured'
    trace step "Pods in $region" pass --action "$action" --message '3/3 ready'
    trace end --action "$action"
  ) &
  running="$running $!"
done
for branch in $running; do
  wait "$branch"
done
trace end --action "$all"

trace start Verify >/dev/null
trace step 'Check endpoints' pass --message '200 OK'
trace step 'Check certificate' fail --message 'expires in 2 days'
trace end
trace end --message 'deployed'

trace end
