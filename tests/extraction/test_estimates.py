"""``--plan``: what a run would fetch, make and encode, known before any of it is done."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.datasets import zenodo
from bench.datasets.dataset import prepare_dataset
from bench.discovery.bundled import find_bundled_encoders
from bench.evaluation.clips import embed_clips
from bench.extraction import estimates as module
from bench.extraction.estimates import Speed, calibrate_speed, estimate_encoding_in_s, survey_tasks
from bench.extraction.loaded import load_encoder
from bench.types import Mini, Settings, ShardSet, Task
from tests.helpers import toys
from tests.helpers.loopback import RECORD, REPO, Loopback, serving

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PATTERNS = {split: f"{split}_*.tar" for split in toys.SPLIT_SIZES}
UNIT = Speed(0.0, 1.0)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return toys.write_dataset(tmp_path / "made")


@pytest.fixture
def server(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({path.name: path.read_bytes() for path in shards.glob("*.tar")}) as state:
        monkeypatch.setattr(zenodo, "ZENODO", state.base_url)
        monkeypatch.setenv("HF_ENDPOINT", state.base_url)
        yield state


def published(**changes: str) -> Task:
    return toys.task(shards=ShardSet(PATTERNS, zenodo=RECORD), **changes)


def settings(cache: Path, data: Path | None = None, **changes: object) -> Settings:
    values = Settings("full", "strict", "cpu", "fp32", (0,), cache, data, 1)
    return replace(values, **changes)  # type: ignore[arg-type]


def seconds() -> float:
    return sum(len(s.audio) / toys.RATE for split, n in toys.SPLIT_SIZES.items() for s in toys.samples(split, n))


@pytest.mark.parametrize("mirror", ["", REPO])
def test_what_would_be_fetched(server: Loopback, shards: Path, tmp_path: Path, mirror: str) -> None:
    size = sum(path.stat().st_size for path in shards.glob("*.tar"))
    plain = settings(tmp_path / "cache", mirror=mirror)
    (found,) = survey_tasks([published()], plain)
    assert (found.missing, found.bytes, found.clips) == (tuple(sorted(server.files)), size, None)
    assert not found.exact
    assert found.seconds == pytest.approx(size / 20_000)
    assert not (tmp_path / "cache").exists()  # a plan writes nothing
    folder = tmp_path / "cache" / "full" / "tones"
    folder.mkdir(parents=True)
    shutil.copy(shards / "train_0000000.tar", folder)
    (some,) = survey_tasks([published()], plain)
    assert some.missing == tuple(sorted(set(server.files) - {"train_0000000.tar"}))
    assert some.seconds == pytest.approx(seconds(), rel=0.1)  # as many seconds in a byte as in the shard that is here
    assert [path.name for path in folder.iterdir()] == ["train_0000000.tar"]


def test_what_is_here_is_measured_and_what_is_stored_costs_nothing(shards: Path, tmp_path: Path) -> None:
    here = settings(tmp_path / "cache", shards, offline=True)
    loaded = load_encoder(find_bundled_encoders()["constant"], device="cpu", precision="fp32", cache=here.cache)
    for task in (published(), toys.task()):  # with a manifest and without
        (found,) = survey_tasks([task], here)
        assert (found.clips, found.exact, found.missing, found.unknown) == (45, True, (), "")
        assert found.seconds == pytest.approx(seconds())
        expected = 0 if task == toys.task() else seconds()
        assert estimate_encoding_in_s(task, found, loaded, here, UNIT) == pytest.approx(expected)
        data = prepare_dataset(task, "full", cache=here.cache, data=shards, offline=True)
        embed_clips(task, data, loaded, here, lambda clips, encoded: None)
        assert estimate_encoding_in_s(task, found, loaded, here, UNIT) == 0
        cropped = replace(task, crop_in_s=0.1)
        assert estimate_encoding_in_s(cropped, found, loaded, here, Speed(1.0, 0.0)) > 45  # more pieces than clips


def test_a_part_of_a_long_shard_speaks_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toys.write_dataset(tmp_path / "tones")
    monkeypatch.setattr("bench.extraction.estimates.FIRST_CLIPS", 5)
    (found,) = survey_tasks([toys.task()], settings(tmp_path, tmp_path))
    assert (found.clips, found.exact) == (45, False)
    assert found.seconds == pytest.approx(seconds(), rel=0.5)


def test_offline_says_what_is_unknown(server: Loopback, tmp_path: Path) -> None:
    (found,) = survey_tasks([published()], settings(tmp_path, offline=True))
    assert (found.unknown, found.parts, found.clips) == ("offline", (), None)
    assert server.requests == []
    (own,) = survey_tasks([toys.task()], settings(tmp_path, tmp_path))
    assert own.unknown == "not in --data"


def test_a_broken_shard_does_not_end_the_plan(tmp_path: Path) -> None:
    toys.write_dataset(tmp_path / "tones")
    toys.write_dataset(tmp_path / "again")
    (tmp_path / "tones" / "test_0000000.tar").write_bytes(b"no tar")
    first, second = survey_tasks([toys.task(), toys.task(name="again")], settings(tmp_path, tmp_path))
    assert first.unknown
    assert (second.unknown, second.clips) == ("", 45)


def test_a_silent_server_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zenodo, "ZENODO", "http://127.0.0.1:9")
    monkeypatch.setattr(module, "IMPATIENT", replace(module.IMPATIENT, tries=1))
    asked: list[object] = []
    plan = module.fetch.plan_downloads
    monkeypatch.setattr(
        module.fetch, "plan_downloads", lambda *given, **more: asked.append(given) or plan(*given, **more)
    )
    found = survey_tasks([published(), published(name="other")], settings(tmp_path))
    assert len(asked) == 1
    assert all(one.unknown.startswith("download failed") for one in found)


def test_what_would_be_generated(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        toys.write_dataset(folder)

    task = toys.task(mini=Mini(make=make, version=1, sha256={}))
    mini = settings(tmp_path, suite="mini")
    (found,) = survey_tasks([task], mini)
    assert (found.generated, found.parts) == (True, ())
    prepare_dataset(task, "mini", cache=tmp_path, data=None)
    (found,) = survey_tasks([task], mini)
    assert (found.generated, found.clips) == (False, 45)
    assert found.seconds == pytest.approx(seconds())


def test_a_slow_encoder_is_measured_to_be_slow(tmp_path: Path) -> None:
    slow = toys.spec("slow", Sleeper())
    loaded = load_encoder(slow, device="cpu", precision="fp32", cache=tmp_path)
    speed = calibrate_speed(loaded, 1)
    assert speed.wall_in_s(1, 2.0) >= 0.04
    assert speed.wall_in_s(1, 10.0) >= 0.2
    assert speed.wall_in_s(10, 100.0) == pytest.approx(10 * speed.wall_in_s(1, 10.0))


class Sleeper:
    """Twenty milliseconds for each second of audio."""

    sampling_rate, output_dim, hop_size_in_ms = 16000, 1, 10.0

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02 * audio.shape[1] / 16000 * len(audio))
        return audio.unfold(1, 160, 160).mean(2, keepdim=True)

    forward = __call__


# --------------------------------------------------------------------------------------------------- from outside

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{pytester.path}")

    def run(*more: str, address: str = "http://127.0.0.1:9") -> pytest.RunResult:
        (pytester.path / "address.py").write_text(f"from bench.datasets import zenodo\nzenodo.ZENODO = {address!r}\n")
        common = [str(ROOT / "bench"), f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-pno:cacheprovider"]
        folders = [f"--cache={pytester.path / 'cache'}", f"--results={pytester.path / 'results'}"]
        plugins = ["-paddress", "--encoder=constant", "--device=cpu"]
        return pytester.runpytest_subprocess(*common, *folders, *plugins, "--plan", *more)

    return run


TASKS = """
from dataclasses import replace
from bench.types import ShardSet
from tests.helpers import toys

patterns = {{split: f"{{split}}_*.tar" for split in toys.SPLIT_SIZES}}
tones = toys.task(shards=ShardSet(patterns, zenodo="{record}"))
again = toys.task(name="again", shards=ShardSet(patterns, "tones", "{record}"))
"""


def test_a_plan_from_outside(bench: Run, server: Loopback, shards: Path, pytester: pytest.Pytester) -> None:
    (pytester.path / "two.py").write_text(TASKS.format(record=RECORD))
    result = bench(f"--tasks={pytester.path / 'two.py'}", "--suite=full", "-n2", address=server.base_url)
    assert result.ret == 0
    size = sum(len(content) for content in server.files.values())
    shown = f"{size / 1000:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
    result.stdout.fnmatch_lines(
        [
            "task *shards *to fetch *clips *audio *constant",
            f"tones *fetch 4 files *{shown} *[?] *~* min * s",
            "again *fetched for tones *- *[?] *~* min * s",
            f"2 tasks *fetch 4 *{shown} *0 + [?] *~* min * s",
            "~ estimated: *",
            "*free below *",
            "constant on cpu: * s of audio per second in clips of 2 s*",
        ]
    )
    assert not (pytester.path / "results").exists()
    assert not (pytester.path / "cache" / "full").exists()
    here = bench(f"--tasks={pytester.path / 'two.py'}", f"--data={shards}", "--offline", "-k", "tones", "-m", "knn")
    assert here.ret == 0
    here.stdout.fnmatch_lines(["tones *here *- *45 *0.2 min* s", "1 task *- *- *45 *0.2 min *"])
    assert "again" not in here.stdout.str().partition("shards")[2]
    assert not (shards / "manifest.json").exists()


def test_offline_from_outside(bench: Run, pytester: pytest.Pytester) -> None:
    result = bench("--suite=full", "--offline", "-k", "esc50 or gtzan")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "esc50 *unknown *- *[?] *[?] *[?]",
            "gtzan_genre *unknown *",
            "2 tasks *- *- + [?] *+ [?]*",
            "unknown: esc50, gtzan_genre: offline",
        ]
    )
    assert sorted(path.name for path in (pytester.path / "cache").iterdir()) == ["certificates", "locks"]
