#!/usr/bin/env bash
# One numpy.float64 in a test's report ends the whole run, but only under pytest-xdist, and a numpy.bool does not.
#
# One would guess: `record_property("score", numpy.float64(0.5))` works with workers as it does without them, where JUnit XML
# gets "0.5": a numpy.float64 is a float, by inheritance. If a worker could not send a value, the test that recorded it would
# fail, and numpy's types would all behave alike.
#
# What happens (pytest 9.1.1, pytest-xdist 3.8.0, execnet 2.1.2, numpy 2.4.6): a worker sends its reports by execnet, which
# chooses by exact type, then by the NAME of the type (`"save_" + type(value).__name__`), never by inheritance. "float64",
# "float32" and "int64" have no such method: the worker ends with INTERNALERROR, the run stops with exit status 3, and tests
# that had nothing to do with it never run, also those of the other worker. numpy.bool is named as the built-in is: it
# passes, and arrives as a bool. No test is reported as failed.
#
# Why people who benchmark audio care: scores come out of numpy, and a harness hands them to its reporter as properties of
# tests. That works in one process and ends the first run with workers, after hours of encoding. `float(score)` is enough.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pytest==9.1.1 pytest-xdist==3.8.0 execnet==2.1.2 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }
venv/bin/python -c "
import platform
from importlib.metadata import version
print('Python', platform.python_version())
print(*(f'{name} {version(name)}' for name in ('pytest', 'pytest-xdist', 'execnet', 'numpy')), sep=', ')"

cat >test_score.py <<'PYTHON'
import os

import numpy
import pytest

SCORE = float if os.environ["TYPE"] == "float" else getattr(numpy, os.environ["TYPE"])


@pytest.mark.parametrize("number", range(40))
def test_score(number, record_property):
    record_property("score", SCORE(1) if number == 3 else 1.0)
PYTHON
: >pytest.ini

changed=0
check() { # "completes" or "ends", the type of the score, then options of pytest
    local expected=$1 type=$2 status=0 behaviour=other summary
    shift 2
    TYPE=$type venv/bin/python -m pytest -q -p no:cacheprovider "$@" >out.txt 2>&1 || status=$?
    summary=$(tail -n 1 out.txt)
    echo "one $type among 40 scores, pytest $*: exit status $status, \"${summary% in *}\""
    if [ "$status" = 0 ] && [[ $summary == "40 passed"* ]]; then behaviour=completes; fi
    if [ "$status" = 3 ] && [[ $summary != *failed* && $summary != "40 passed"* ]]; then
        grep -m 1 -o "DumpError: can't serialize <class 'numpy.$type'>" out.txt && behaviour=ends
    fi
    [ "$behaviour" = "$expected" ] || { echo "CHANGED: expected that it $expected"; changed=1; }
}

check completes float64 -n 0
check ends float64 -n 2
check ends float32 -n 2
check ends int64 -n 2
check completes bool -n 2
check completes float -n 2
[ "$changed" = 0 ] && echo "as described: a numpy number in one report ends a run with workers"
exit "$changed"
