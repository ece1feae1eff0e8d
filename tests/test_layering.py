"""Imports go down the floors only, whatever form they have; heavy packages are imported late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (  # from the lowest to the highest: a package imports those before it, never one after it
    "types",
    "metrics",
    "audio",
    "store",
    "datasets",
    "loading",
    "scoring",
    "extraction",
    "xares",
    "throughput",
    "verification",
    "probes",
    "language",
    "evaluation",
    "leaderboard",
    "discovery",
    "runs",
    "plugin",
    "commands",
)
ENTRY_POINTS = ("__init__", "api", "certify", "pairs", "submit", "test_quality", "test_throughput")
ALLOWED = {
    "tasks": ("bench.types", "bench.probes", "bench.metrics", "bench.verification", "bench.language", "tasks"),
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


def package_of(module: str) -> str:
    """The package of ``bench`` that a module is in; "" for an entry point."""
    name = module.split(".")[1] if module.count(".") else ""
    return name if name in PACKAGES else ""


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
            assert module == "bench.discovery.bundled", f"{module} imports {imported}"
        elif package_of(module):
            assert package_of(imported), f"{module} imports the entry point {imported}"
            here, there = PACKAGES.index(package_of(module)), PACKAGES.index(package_of(imported))
            assert there <= here, f"{module} imports {imported}"


def test_every_package_has_its_place() -> None:
    there = {path.name for path in (ROOT / "bench").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert there == set(PACKAGES)


def test_the_root_of_bench_holds_entry_points_only() -> None:
    assert {path.stem for path in (ROOT / "bench").glob("*.py")} == set(ENTRY_POINTS)
    for name in ENTRY_POINTS:
        assert len((ROOT / "bench" / f"{name}.py").read_text().splitlines()) <= 30, name


def test_no_modules_import_each_other() -> None:
    modules = {module_of(path) for path in FILES}
    below = {module_of(path): {name for name, _ in imports(path)} & modules - {module_of(path)} for path in FILES}
    order: list[str] = []
    for _ in modules:
        ready = [module for module in modules.difference(order) if below[module] <= set(order)]
        order += ready
    assert set(order) == modules, f"in a cycle, or above one: {sorted(modules.difference(order))}"


def test_only_the_plugin_and_entry_points_know_pytest() -> None:
    for path in FILES:
        if any(name.partition(".")[0] in ("pytest", "_pytest", "xdist") for name, _ in imports(path)):
            assert module_of(path).startswith(("bench.plugin", "bench.test_")), path


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
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 300, path
