"""Documentation names what exists: repository paths, dotted names of ``bench`` and links between pages."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "findings").glob("*.md"), *ROOT.glob("*.md")])
TOP = ("bench", "tasks", "encoders", "perf", "tests", "docs", "examples", "findings")
EXAMPLES = (
    "tasks/labels/doorbells.txt",
    "tasks/environment/doorbells.py",
    "encoders/twenty_bands.py",
)  # CONTRIBUTING's, written by its own test
PATH = re.compile(rf"(?<![\w./-])(?:\.\./)?((?:{'|'.join(TOP)})/[\w./-]*[\w/])(?![\w/<*-])")
DOTTED = re.compile(r"(?<![\w./-])(bench(?:\.\w+)+)")
COMMAND = re.compile(r"python -m ((?:bench|perf|tasks)(?:\.\w+)*)(?: ([a-z]+)\b(?![-.=/]))?")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages_with(pattern: re.Pattern[str]) -> Iterator[tuple[Path, Any]]:
    """Every page with every different match, or tuple of groups, that it has."""
    for page in PAGES:
        for match in dict.fromkeys(pattern.findall(page.read_text())):
            yield page, match


def test_repository_paths_exist() -> None:
    unknown = [
        f"{page.relative_to(ROOT)}: {path}"
        for page, path in pages_with(PATH)
        if path not in EXAMPLES and not (ROOT / path).exists()
    ]
    assert not unknown


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        path = ROOT.joinpath(*parts[:length])
        if not (path.with_suffix(".py").exists() or (path / "__init__.py").exists()):
            continue
        value: object = importlib.import_module(module)
        for attribute in parts[length:]:
            if not hasattr(value, attribute):
                return False
            value = getattr(value, attribute)
        return True
    return False


def test_dotted_names_exist() -> None:
    history = ROOT / "CHANGELOG.md"  # names what was renamed
    unknown = [
        f"{page.relative_to(ROOT)}: {name}"
        for page, name in pages_with(DOTTED)
        if page != history and not resolves(name)
    ]
    assert not unknown


def test_examples_import_what_exists() -> None:
    unknown = []
    for page, block in pages_with(re.compile(r"```python\n(.*?)```", re.DOTALL)):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in TOP:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                unknown += [f"{page.relative_to(ROOT)}: {name}" for name in names if not resolves(name)]
    assert not unknown


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_relative_links_resolve() -> None:
    broken = []
    for page, link in pages_with(LINK):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert not broken


def test_architecture_lists_the_packages_in_their_order() -> None:
    from tests.test_layering import PACKAGES

    table = re.findall(r"^\| `bench/(\w+)/` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert table == list(PACKAGES)


@pytest.mark.parametrize("script", sorted((ROOT / "findings").glob("*.sh")), ids=lambda path: path.stem)
def test_findings_say_what_happens_and_pin_what_they_install(script: Path) -> None:
    text = script.read_text()
    for phrase in (
        "# One would guess:",
        "# What happens",
        "# Why people who benchmark audio care:",
        "set -euo pipefail",
    ):
        assert phrase in text
    installed = re.search(r"pip install --quiet (.*?) 2>", text)
    assert installed is not None
    assert all("==" in package for package in installed[1].split())
    assert script.name in (ROOT / "findings" / "README.md").read_text()


@pytest.mark.parametrize("module", sorted({module for _, (module, _) in pages_with(COMMAND)}))
def test_commands_exist(module: str) -> None:
    """Every ``python -m`` of the documentation names a module that runs, and a subcommand that its help lists."""
    path = ROOT.joinpath(*module.split("."))
    main = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__main__.py"
    assert "__main__" in main.read_text()
    subcommands = {name for _, (of, name) in pages_with(COMMAND) if of == module and name}
    if subcommands and module in ("bench.leaderboard", "bench.pairs", "perf"):
        command = [sys.executable, "-m", module, "--help"]
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert subcommands <= set(re.findall(r"\w+", shown))
