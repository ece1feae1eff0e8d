"""The page itself: template, style, scripts and data in one HTML file that asks the network for nothing.

Its content security policy names its own style and script by their digests, so that nothing else in the file, whatever
an encoder is called, could run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.leaderboard.files.sources import Source
from bench.leaderboard.page.contents import build_contents
from bench.store.files import write_atomically

FOLDER = Path(__file__).parent / "assets"
SCRIPTS = ("dom", "model", "charts", "summary", "scores", "plots", "task", "encoders", "main")
LIVE = "live"  # only in a page that is served
INERT = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def write_page(path: Path, sources: Sequence[Source], problems: Sequence[str] = ()) -> int:
    """Write the page of ``sources`` whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        BenchError: the disk is full.
    """
    page = render_page(build_contents(sources, problems)).encode()
    with write_atomically(path) as temporary:
        temporary.write_bytes(page)
    return len(page)


def render_page(contents: Mapping[str, Any], *, live: str = "") -> str:
    """Render ``contents`` as HTML; a page with ``live``, the version served, reloads when the server has another."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style = _read_asset("page.css")
    scripts = [*SCRIPTS, *([LIVE] if live else [])]
    code = '"use strict";\n(() => {\n' + "".join(_read_asset(f"{name}.js") for name in scripts) + "start();\n})();\n"
    rules = {
        "default-src": "'none'",
        "style-src": _compute_digest(style),
        "script-src": _compute_digest(code),
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if live else {}),
    }
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    boards = contents["boards"]
    return environment.get_template("page.html").render(
        policy="; ".join(f"{name} {value}" for name, value in rules.items()),
        title=", ".join(board["label"] for board in boards[:3]) + (" and more" if len(boards) > 3 else ""),
        live=live,
        style=style,
        code=code,
        data=encode_data(contents),
    )


def encode_data(contents: Mapping[str, Any]) -> str:
    """Encode JSON inert inside ``<script type="application/json">``: no character that HTML reads is left in it."""
    text = json.dumps(contents, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.translate(INERT)


def _compute_digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read_asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
