"""Imports go down the floors only, whatever form they have; heavy packages are imported late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "bench.errors": 0,
    "bench.results": 0,
    "bench.targets": 0,
    "bench.trial_target": 0,
    "bench.trial_lists": 1,
    "bench.types": 0,
    "bench.grid": 1,
    "bench.grid_xares": 1,
    "bench.protocol": 1,
    "bench.audio": 1,
    "bench.probes": 1,
    "bench.metrics": 1,
    "bench.stats": 1,
    "bench.trial_answers": 2,
    "bench.scoring": 2,
    "bench.store": 2,
    "bench.frame_store": 2,
    "bench.data": 3,
    "bench.corpora": 3,
    "bench.generated": 3,
    "bench.adapt": 3,
    "bench.fingerprint": 3,
    "bench.certify": 3,
    "bench.frame_rule": 3,
    "bench.encoder_sources": 3,
    "bench.engine": 3,
    "bench.freeze": 3,
    "bench.layers": 3,
    "bench.layer_curve": 4,
    "bench.extract": 3,
    "bench.windows": 3,
    "bench.kept_audio": 3,
    "bench.extract_frames": 3,
    "bench.extract_xares": 3,
    "bench.stream_xares": 3,
    "bench.chosen_models": 3,
    "bench.chosen_probes": 3,
    "bench.gather": 3,
    "bench.rows": 4,
    "bench.interleaved": 1,
    "bench.throughput": 4,
    "bench.plan": 4,
    "bench.evaluate": 4,
    "bench.evaluate_frames": 4,
    "bench.evaluate_retrieval": 4,
    "bench.evaluate_transcripts": 4,
    "bench.evaluate_verification": 4,
    "bench.story": 4,
    "bench.verification": 1,
    "bench.verification.fine_tuning": 3,
    "bench.leaderboard": 5,
    "bench.plugin": 6,
    "bench.pairs": 7,
    "bench.submit": 7,
    "bench.test_quality": 7,
    "bench.test_throughput": 7,
}
ALLOWED = {
    "tasks": ("bench.types", "bench.probes", "bench.metrics", "bench.verification", "tasks"),
    "encoders": ("bench.types", "bench.audio.torchaudio_safe", "encoders"),
}
FILES = sorted(path for top in ("bench", "tasks", "encoders") for path in (ROOT / top).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, statically or by ``importlib``, and whether that happens at import time."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    tree = ast.parse(path.read_text())
    late = {id(node) for top in ast.walk(tree) if isinstance(top, ast.FunctionDef) for node in ast.walk(top)}
    late |= {
        id(node)
        for top in ast.walk(tree)
        if isinstance(top, ast.If) and "TYPE_CHECKING" in ast.unparse(top.test)
        for node in ast.walk(top)
    }
    for node in ast.walk(tree):
        at_import = id(node) not in late
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source, at_import
            yield from ((f"{source}.{alias.name}", at_import) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield from ((str(given.value), at_import) for given in node.args[:1] if isinstance(given, ast.Constant))


def floor(module: str) -> int | None:
    matches = [name for name in FLOORS if module == name or module.startswith(f"{name}.")]
    return FLOORS[max(matches, key=len)] if matches else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    module = module_of(path)
    top = module.partition(".")[0]
    for imported, _ in imports(path):
        if imported.partition(".")[0] not in ("bench", "tasks", "encoders", "tests") or imported == "bench":
            continue
        assert not imported.startswith("tests"), f"{module} imports {imported}"
        if top in ALLOWED:
            assert imported.startswith(ALLOWED[top]) or imported in ("bench.audio",), f"{module} imports {imported}"
        elif imported.startswith(("tasks", "encoders")):
            assert module == "bench.plugin.discovery", f"{module} imports {imported}"
        elif module != "bench":
            here, there = floor(module), floor(imported)
            assert here is not None, f"{module} is on no floor"
            assert there is not None, f"{imported} is on no floor"
            assert there <= here, f"{module} (floor {here}) imports {imported} (floor {there})"


def test_only_the_top_floors_know_pytest() -> None:
    for path in FILES:
        if any(name.partition(".")[0] in ("pytest", "_pytest", "xdist") for name, _ in imports(path)):
            assert (floor(module_of(path)) or 0) >= 6, path


def test_heavy_packages_are_imported_late() -> None:
    heavy = {"transformers", "torchaudio", "speechbrain", "scipy", "sklearn", "espeakng_loader", "pretty_midi"}
    for path in FILES:
        early = {name.partition(".")[0] for name, at_import in imports(path) if at_import}
        assert not early & heavy, path


def test_one_module_imports_torchaudio() -> None:
    top = {module_of(path): {name.partition(".")[0] for name, _ in imports(path)} for path in FILES}
    users = [module for module, packages in top.items() if "torchaudio" in packages]
    assert users == ["bench.audio.torchaudio_safe"]


def test_the_plugin_loads_without_torch() -> None:
    """A worker must be able to choose its GPU before torch is imported."""
    import subprocess
    import sys

    modules = "bench.plugin.options, bench.plugin.scheduling, bench.plugin.collection"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_modules_stay_readable() -> None:
    """A wall, well beyond the size that modules should have."""
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 400, path
