#!/bin/sh
# Runs each fuzz target of build/fuzz for some seconds, from its corpus. What is found anew stays in build/fuzz; inputs
# that break a target are kept in build/fuzz/findings and named at the end.
#   tests/fuzz/run.sh [SECONDS] [TARGET...]
set -u
cd "$(dirname "$0")/../.." || exit 2
seconds=${1:-20}
[ $# -gt 0 ] && shift
programs=build/fuzz/tests/fuzz
[ $# -gt 0 ] || set -- $(ls "$programs" | sed -n 's/^carillon_fuzz_//p')
mkdir -p build/fuzz/findings build/fuzz/grown
failed=
for target in "$@"; do
  mkdir -p "build/fuzz/grown/$target"
  log=build/fuzz/$target.log
  if "$programs/carillon_fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
      -artifact_prefix="build/fuzz/findings/$target." -print_final_stats=1 \
      "build/fuzz/grown/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing broke"
  else
    echo "$target: BROKEN, see $log"
    failed="$failed $target"
  fi
done
[ -z "$failed" ] || { echo "broken:$failed"; ls build/fuzz/findings; exit 1; }
