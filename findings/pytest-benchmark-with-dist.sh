#!/usr/bin/env bash
# One `--dist` in the configuration, without any worker, and pytest-benchmark measures nothing and writes nothing.
#
# One would guess: `--dist=worksteal` in `addopts` says how tests are shared out IF there are workers (`-n 4`). Without `-n`
# pytest-xdist starts none, so `pytest --benchmark-json=speed.json` measures as ever. And a command that was asked for a
# file of measurements and has none to write fails, or can be made to fail by `-W error`.
#
# What happens: pytest-benchmark 5.3.1 looks at the option `dist`, not at the workers. With `--dist=worksteal` and no `-n`
# the test runs in this very process, once, unmeasured; no JSON file is written; the exit status is 0. A warning goes to
# stderr when the session is over, so pytest's summary does not count it. With `-n 1` (one worker, nothing in parallel) it is
# the same, and there `-W error` is worse than nothing: the run still exits with 0, and the warning is gone as well.
# `--benchmark-enable` does not bring the measurement back; `-n 0` does, since pytest-xdist then sets `dist` to "no".
#
# Why people who benchmark audio care: one pytest command that scores with workers and times an encoder ends green without
# any times, and a harness that turns warnings into errors in order to miss nothing is not even told.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pytest==9.1.1 pytest-xdist==3.8.0 pytest-benchmark==5.3.1 2>pip.log || { cat pip.log; exit 1; }
venv/bin/python -c "
import platform
from importlib.metadata import version
print('Python', platform.python_version())
print(*(f'{name} {version(name)}' for name in ('pytest', 'pytest-xdist', 'pytest-benchmark')), sep=', ')"

cat >test_speed.py <<'PYTHON'
from pathlib import Path


def test_speed(benchmark):
    calls = []
    benchmark(lambda: calls.append(1))
    Path("calls.txt").write_text(str(len(calls)))
PYTHON
: >pytest.ini

changed=0
warning="PytestBenchmarkWarning: Benchmarks are automatically disabled because xdist plugin is active"
check() { # what is expected ("measured" or "unmeasured"), then options of pytest
    local expected=$1 status=0 json=written calls behaviour
    shift
    rm -f calls.txt speed.json
    venv/bin/python -m pytest -q -p no:cacheprovider --benchmark-json=speed.json "$@" >out.txt 2>err.txt || status=$?
    calls=$(cat calls.txt)
    [ -e speed.json ] || json=missing
    echo "pytest --benchmark-json=speed.json${*:+ $*}: exit status $status, $calls calls, speed.json $json"
    behaviour=other
    if [ "$status$json$calls" = "0missing1" ]; then behaviour=unmeasured; fi
    if [ "$status$json" = "0written" ] && [ "$calls" -gt 1 ]; then behaviour=measured; fi
    [ "$behaviour" = "$expected" ] || { echo "CHANGED: expected $expected"; changed=1; }
}

check measured
check unmeasured --dist=worksteal
grep -m1 -o "$warning" err.txt || { echo "CHANGED: expected a warning on stderr"; changed=1; }
check unmeasured --dist=worksteal --benchmark-enable
check unmeasured -n 1
grep -m1 -o "$warning" err.txt || { echo "CHANGED: expected a warning on stderr"; changed=1; }
check unmeasured -n 1 -W error
if grep "$warning" out.txt err.txt; then echo "CHANGED: expected no warning"; changed=1; else echo "(no warning)"; fi
check measured --dist=worksteal -n 0
[ "$changed" = 0 ] && echo "as described: --dist without workers turns measuring off, with exit status 0"
exit "$changed"
