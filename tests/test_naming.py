"""Functions begin with a verb: ``read_manifest``, not ``manifest``; a reader of a call knows what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for top in ("bench", "tasks", "encoders", "perf") for path in (ROOT / top).rglob("*.py"))
VERBS = frozenset(
    """
    accumulate act adapt add adjust align allot append apply arrange ask assign attempt average await bend
    bootstrap breathe broadcast build cache calibrate certify change check choose claim clean clear clip close
    collect combine compare compose compute concat concatenate connect convert copy count create crop cut deal
    decode delete describe detect diagonalize discard discover divide download draw drop embed emit encode end
    enliven ensure erase escape estimate evaluate exchange exclude expand expect explain export extract fail
    fetch fill filter finalise find finish fit flatten fold forget format forward freeze gather generate get
    group halve handle hash hide hold ignore imitate import include index infer inflate insert inspect install
    interpolate intersect invert iterate join judge keep label learn limit link list listen load locate lock
    look main make map mark mask match measure merge mix modulate move name normalise normalize notify number
    open order overlap oversmooth pack pad pair parse pass pause perform pick pin place plan play poll pool
    predict prepare print probe prompt publish push queue quote raise rank rate read receive recompute record
    redraw refuse reject release remove rename render repeat replace report request require resample reset
    resolve resonate restore restrict resynthesise retrieve retry revert rewrite rotate round run sample
    sanitize save scale scan scatter score search select send serve set settle shape share show shuffle skip
    smooth solve sort split stack standardise start stop store stream stress strip submit subtract sum summarise
    survey swap unpack walk switch sync synchronise synthesise take tell test tilt time tokenize track train transcribe
    transform translate trim truncate unpack update upload use validate vary verify view wait warn watch weight
    word wrap write yield
    """.split()  # noqa: SIM905
)
PREDICATES = frozenset(("accepts", "changes", "fits", "has", "is", "matches", "may", "needs"))
CONVERSIONS = frozenset(("from", "to"))  # from_json, to_csv; and those with "_to_" in the middle: mel_to_hz
OTHERS = {
    "bench.evaluation.scores.held_out_rows",  # as scikit-learn and others say it
    "bench.plugin.fixtures.bench",  # a fixture is named for what a test gets
}


def list_functions(path: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of the functions of a file that other files can call."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.parse(path.read_text()).body:
        fixture = isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(d) for d in node.decorator_list)
        if isinstance(node, ast.FunctionDef) and not fixture and not node.name.startswith(("pytest_", "test_", "_")):
            yield module, node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_begin_with_a_verb(path: Path) -> None:
    for module, name in list_functions(path):
        first = name.partition("_")[0]
        known = first in VERBS | PREDICATES | CONVERSIONS or "_to_" in name or f"{module}.{name}" in OTHERS
        assert known, f"{module}.{name} does not begin with a verb (a verb that is missing is added to VERBS)"
