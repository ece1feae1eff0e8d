"""``--plan`` prints what the selected tests would fetch, make and encode instead of running them."""

from __future__ import annotations

import shutil

import pytest

from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.estimates import Material, Speed, calibrate_speed, estimate_encoding_in_s, survey_tasks
from bench.extraction.loaded import load_encoder_for
from bench.leaderboard.terminal import cells
from bench.plugin.collection import PLAN
from bench.runs.plan import Case
from bench.types import EncoderSpec, Settings

COLUMNS = ("task", "shards", ">to fetch", ">clips", ">audio")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Print the plan in place of running what was collected; pytest then exits with 0 if anything was selected."""
    config = session.config
    if session.testsfailed or config.getoption("collectonly"):
        return None
    cases = [item.callspec.params["case"] for item in session.items if "case" in _read_params(item)]  # type: ignore[attr-defined]
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if cases and reporter is not None:
        writer = config.get_terminal_writer()
        text = _render_plan(cases, config.stash[PLAN].settings, max(writer.fullwidth, 120), writer.hasmarkup)
        reporter.ensure_newline()
        reporter.write(f"\n{text}")
    return True


def _read_params(item: pytest.Item) -> dict[str, object]:
    return getattr(getattr(item, "callspec", None), "params", {})


def _render_plan(cases: list[Case], settings: Settings, width: int, colour: bool) -> str:
    tasks = list({case.task.name: case.task for case in cases}.values())
    specs = list({case.spec.name: case.spec for case in cases}.values())
    found = survey_tasks(tasks, settings)
    speeds, notes = _calibrate_encoders(specs, settings)
    times = {
        (task.name, name): estimate_encoding_in_s(task, material, loaded, settings, speed)
        for task, material in zip(tasks, found, strict=True)
        for name, (loaded, speed) in speeds.items()
    }
    rows = [
        [
            *_format_row(material, found),
            *(_format_time(times.get((material.task, spec.name)), material) for spec in specs),
        ]
        for material in found
    ]
    rows.append(_format_total(found, [[times.get((task.name, spec.name)) for task in tasks] for spec in specs]))
    columns = (*COLUMNS, *(f">{spec.name}" for spec in specs))
    return cells.render_table(columns, rows, [*_explain_materials(found, settings), *notes], width=width, colour=colour)


def _calibrate_encoders(
    specs: list[EncoderSpec], settings: Settings
) -> tuple[dict[str, tuple[LoadedEncoder, Speed]], list[str]]:
    speeds, notes = {}, []
    for spec in specs:
        try:
            loaded = load_encoder_for(settings, spec)
            speed = calibrate_speed(loaded, settings.threads)
        except Exception as error:  # noqa: BLE001  (somebody else's code may raise anything)
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            notes.append(f"no time for {spec.name}: {reason}")
            continue
        speeds[spec.name] = loaded, speed
        rates = [seconds / speed.wall_in_s(1, seconds) for seconds in (2.0, 10.0)]
        notes.append(
            f"{spec.name} on {settings.device}: {rates[0]:.0f} s of audio per second in clips of 2 s, "
            f"{rates[1]:.0f} in clips of 10 s; what is stored costs nothing, probes come on top"
        )
    return speeds, notes


def _format_row(material: Material, all_of_them: list[Material]) -> list[str]:
    first = next(one for one in all_of_them if one.folder == material.folder)
    if material.generated:
        state = "to be generated"
    elif material.unknown:
        state = "unknown"
    elif material.missing:
        plural = "s" if len(material.missing) > 1 else ""
        state = f"fetch {len(material.missing)} file{plural}" if first is material else f"fetched for {first.task}"
    else:
        state = "here"
    to_fetch = _format_size(material.bytes) if material.missing and first is material else "-"
    clips = "?" if material.clips is None else f"{material.clips:,}"
    return [
        material.task,
        state,
        to_fetch,
        clips,
        _format_hours(material.seconds, material.exact) if material.parts else "?",
    ]


def _format_total(found: list[Material], times: list[list[float | None]]) -> list[str]:
    fetched = {material.folder: material for material in reversed(found)}.values()
    files, size = sum(len(one.missing) for one in fetched), sum(one.bytes for one in fetched)
    clips, seconds = sum(one.clips or 0 for one in found), sum(one.seconds for one in found)
    generated = len({one.folder for one in found if one.generated})
    work = [f"generate {generated}"] * bool(generated) + [f"fetch {files}"] * bool(files)
    rest = " + ?" if any(_has_unknown_audio(one) for one in found) else ""
    return [
        f"{len(found)} task{'s' if len(found) > 1 else ''}",
        ", ".join(work) or "-",
        (_format_size(size) if size else "-") + (" + ?" if any(one.unknown for one in found) else ""),
        f"{clips:,}" + (" + ?" if any(one.clips is None for one in found) else ""),
        _format_hours(seconds, all(one.exact for one in found)) + rest,
        *("?" if None in row else _format_duration(sum(time or 0.0 for time in row)) + rest for row in times),
    ]


def _has_unknown_audio(material: Material) -> bool:
    """Return whether there is audio of which nothing is known yet."""
    return material.generated or bool(material.unknown)


def _explain_materials(found: list[Material], settings: Settings) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for material in found:
        reasons.setdefault(material.unknown, []).append(material.task)
    notes = [f"unknown: {', '.join(names)}: {reason}" for reason, names in reasons.items() if reason]
    parts = {part.shard.path: part for material in found for part in material.parts if part.shard and part.ignored}
    notes += [f"ignored members: {path.name}: {part.ignored}" for path, part in parts.items()]
    if any(not material.exact for material in found):
        notes.append("~ estimated: from the first clips of a shard, or at 20 kB/s (FLAC at 16 kHz) for shards not here")
    if any(material.missing for material in found):
        root = settings.data or settings.cache
        root = next(folder for folder in (root, *root.parents) if folder.is_dir())
        notes.append(f"{_format_size(shutil.disk_usage(root).free)} free below {settings.data or settings.cache}")
    return notes


def _format_time(seconds: float | None, material: Material) -> str:
    return (
        "?" if seconds is None or (_has_unknown_audio(material) and not material.parts) else _format_duration(seconds)
    )


def _format_duration(seconds: float) -> str:
    """Return wall time as text: more than two digits would be made up."""
    for length, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s"


def _format_hours(seconds: float, exact: bool) -> str:
    mark = "" if exact else "~"
    return f"{mark}{seconds / 3600:.1f} h" if seconds >= 3600 else f"{mark}{seconds / 60:.1f} min"


def _format_size(size: int) -> str:
    for power, unit in ((9, "GB"), (6, "MB")):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size / 1000:.1f} kB"
