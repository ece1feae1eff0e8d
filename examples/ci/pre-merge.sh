#!/usr/bin/env bash
# pre-merge.sh ENCODER BASELINE OUT: for any CI, from the folder of the benchmark. Measures ENCODER as --encoder takes it
# into the folder OUT, compares with the run in the folder BASELINE where there is one, and writes OUT/comment.md and
# OUT/ctrf.json. Ends as pytest does: 0 passed, 1 fell behind or something failed, 4 does not compare.
set -u
encoder=$1 baseline=$2 out=$3

gate=()
if [ -f "$baseline/leaderboard.json" ]; then
  gate=(--baseline "$baseline" --max-drop 0.01)
fi
python -m pytest bench -m "not throughput" --encoder "$encoder" ${gate[@]+"${gate[@]}"} \
  --cache "${OTOSCOPE_CACHE:-cache}" --results "$(dirname "$out")" --run-name "$(basename "$out")"
code=$?

if [ -f "$out/leaderboard.json" ]; then
  python -m bench.leaderboard export "$out" --format markdown -o "$out/comment.md"
  python -m bench.leaderboard export "$out" --format ctrf -o "$out/ctrf.json"
fi
exit "$code"
