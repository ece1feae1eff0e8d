"""What a run would fetch, make and encode, and about how long the encoding takes: known before any of it is done.

Nothing is written and nothing encoded but a few seconds of noise. What is not known exactly is estimated, and says so:
the duration of shards from their first clips, or from their bytes where they are not here.
"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.audio import decode
from bench.datasets import fetch, manifest, shards
from bench.datasets.compressed import is_compressed, open_unpacked
from bench.datasets.dataset import choose_source, list_folders, list_splits, locate_folder
from bench.datasets.grouping import Contents
from bench.datasets.records import is_complete
from bench.datasets.synthetic import get_synthetic_folder, read_digests
from bench.datasets.web import RetryPolicy
from bench.extraction.engine.local import Engine, LoadedEncoder, start_engine
from bench.extraction.frames import compute_frames_address
from bench.extraction.pooled import compute_pooled_address
from bench.store.files import Store
from bench.store.frame_files import FrameStore
from bench.types import FRAMES, DataError, Events, Settings, Shard, Task

BYTES_PER_S = 20_000.0  # of FLAC at 16 kHz, about: for shards that are not here
CLIP_IN_S = 10.0  # for clips that nobody has counted
FIRST_CLIPS = 32  # of a shard, whose durations speak for the rest
MOST_TO_DIGEST = 1 << 30  # bytes of shards without a recorded digest that are read to look them up in the store
MOST_TO_UNPACK = 1 << 28  # bytes of a compressed shard that are unpacked to look at its clips
CALIBRATION_IN_S = (2.0, 10.0)
CALIBRATION_RATE = 44100  # Hz; reading and resampling count too
IMPATIENT = RetryPolicy(tries=2, timeout_in_s=20.0)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a task's audio: a shard that is here, or what is still to come."""

    shard: Shard | None  # with an empty digest where it is not known
    clips: int | None
    seconds: float
    exact: bool  # whether ``seconds`` is no estimate
    ignored: str = ""  # members that are no part of a sample, by kind


@dataclass(frozen=True, slots=True)
class Material:
    """A task's shards, as far as they are known."""

    task: str
    folder: Path
    parts: tuple[Part, ...] = ()
    missing: tuple[str, ...] = ()  # files to fetch
    bytes: int = 0  # to fetch
    unknown: str = ""  # why nothing can be said of what is missing
    generated: bool = False  # whether the shards are yet to be generated

    @property
    def clips(self) -> int | None:
        """None where some have not been counted."""
        counts = [part.clips for part in self.parts if part.clips is not None]
        return sum(counts) if self.parts and len(counts) == len(self.parts) else None

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def exact(self) -> bool:
        return all(part.exact for part in self.parts)


@dataclass(frozen=True, slots=True)
class Speed:
    """Wall time of encoding on this machine: so much for each clip and so much for each second of its audio."""

    per_clip_in_s: float
    per_second_in_s: float

    def wall_in_s(self, clips: float, seconds: float) -> float:
        return clips * self.per_clip_in_s + seconds * self.per_second_in_s


def survey_tasks(tasks: Iterable[Task], settings: Settings) -> list[Material]:
    """Return what is known of the shards of tasks; a server that does not answer is asked once only."""
    found, silence = [], ""
    for task in tasks:
        try:
            one = (
                _survey_synthetic(task, settings)
                if settings.suite == "mini"
                else _survey_official(task, settings, silence)
            )
        except (DataError, OSError) as error:
            one = Material(task.name, Path(), unknown=str(error))
        silence = silence or (one.unknown if one.unknown.startswith("download failed") else "")
        found.append(one)
    return found


def _survey_synthetic(task: Task, settings: Settings) -> Material:
    folder = get_synthetic_folder(task, settings.cache)
    digests = read_digests(folder)
    if not digests:
        return Material(task.name, folder, generated=True)
    made = {name: digest for name, digest in digests.items() if name.endswith(".tar")}
    return Material(
        task.name, folder, tuple(_survey_shard(folder / name, digest, None) for name, digest in made.items())
    )


def _survey_official(task: Task, settings: Settings, silence: str) -> Material:
    root = settings.data or settings.cache / "full"
    folder = locate_folder(task, root) or root / list_folders(task)[0]
    if task.shards.corpus is not None:
        return _survey_corpus(task, folder if folder.is_dir() else None)
    patterns = tuple(dict.fromkeys(task.shards.patterns[name] for name in list_splits(task)))
    known = manifest.read_manifest(folder)
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    here = []
    for path in paths:
        entry = known.get(path.name)
        here.append(_survey_shard(path, entry.sha256 if entry else None, entry.samples if entry else None))
    record = choose_source(task, settings.mirror)
    if record is None or is_complete(patterns, folder):
        return Material(task.name, folder, tuple(here), unknown="" if here else "not in --data")
    if silence and not known:
        return Material(task.name, folder, tuple(here), unknown=silence)
    try:
        coming = fetch.plan_downloads(record, patterns, folder, offline=settings.offline, retries=IMPATIENT)
    except DataError as error:
        why = "offline" if settings.offline else f"{error.what}: got {error.got}"
        return Material(task.name, folder, tuple(here), unknown=why)
    size = sum(file.bytes for file in coming)
    rest = (_estimate_missing(size, here),) if coming else ()
    return Material(task.name, folder, (*here, *rest), tuple(file.name for file in coming), size)


def _survey_corpus(task: Task, folder: Path | None) -> Material:
    """Of a corpus in its own layout the first files' durations are known; nothing is digested for a plan."""
    if folder is None or task.shards.corpus is None or locate_folder(task, folder) is None:
        return Material(task.name, folder or Path(), unknown="not in --data")
    found = [file for name in list_splits(task) for file in task.shards.corpus(folder, name)]
    first = [soundfile.info(str(folder / file.path)).duration for file in found[:FIRST_CLIPS]]
    part = Part(None, len(found), float(np.mean(first)) * len(found) if first else 0.0, exact=len(first) == len(found))
    return Material(task.name, folder, (part,))


def _estimate_missing(size: int, here: Sequence[Part]) -> Part:
    held = sum(part.shard.size for part in here if part.shard)
    rate = held / sum(part.seconds for part in here) if held else BYTES_PER_S
    return Part(None, None, size / rate, exact=False)


def _survey_shard(path: Path, sha256: str | None, samples: int | None) -> Part:
    shard = Shard(path, sha256 or "", path.stat().st_size)
    if is_compressed(path) and shard.size > MOST_TO_UNPACK:
        return Part(shard, samples, shard.size / BYTES_PER_S, exact=False)
    with open_unpacked(path) as unpacked:
        contents = shards.count_members(unpacked) if samples is None else Contents(samples=samples)
        clips = contents.samples
        first = [
            _read_duration(sample.audio) for sample in itertools.islice(shards.read_samples(unpacked), FIRST_CLIPS)
        ]
    seconds = sum(first) / max(1, len(first)) * clips
    return Part(shard, clips, seconds, len(first) == clips, contents.describe_ignored())


def _read_duration(audio: bytes) -> float:
    """Seconds by the header of an encoded clip; 0 for what does not decode, which the run will say."""
    try:
        return float(soundfile.info(io.BytesIO(audio)).duration)
    except (soundfile.LibsndfileError, RuntimeError):
        return 0.0


def calibrate_speed(loaded: LoadedEncoder, threads: int) -> Speed:
    """Encode noise for a few seconds: clips of two lengths, read, resampled, batched and passed forward as in a run."""
    with start_engine(loaded, threads) as running:
        short, long = (_time_per_clip(running, threads, seconds) for seconds in CALIBRATION_IN_S)
    slope = max(0.0, (long - short) / (CALIBRATION_IN_S[1] - CALIBRATION_IN_S[0]))
    return Speed(max(0.0, short - slope * CALIBRATION_IN_S[0]), slope or long / CALIBRATION_IN_S[1])


def _time_per_clip(running: Engine, threads: int, seconds: float) -> float:
    loaded = running.loaded
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * CALIBRATION_RATE))
    file = io.BytesIO()
    soundfile.write(file, noise, CALIBRATION_RATE, format="FLAC")
    size = max(1, int(loaded.budget.batch_in_s / seconds)) if loaded.policy == "padded" else 1

    def read(_: int) -> NDArray[np.float32]:
        return decode.decode_resampled(file.getvalue(), loaded.encoder.sampling_rate, where="calibration").audio

    def once() -> None:
        clips = list(running.pool.map(read, range(size * threads)))
        batches = [clips[start : start + size] for start in range(0, len(clips), size)]
        list(running.passes.map(lambda batch: running.forward(batch, where="calibration"), batches))

    once()
    rounds, start = 0, time.perf_counter()
    while rounds == 0 or (rounds < 20 and time.perf_counter() - start < 0.5):
        once()
        rounds += 1
    return (time.perf_counter() - start) / (rounds * size * threads)


def estimate_encoding_in_s(
    task: Task, material: Material, loaded: LoadedEncoder, settings: Settings, speed: Speed
) -> float:
    """Wall time of encoding what is not in the store yet."""
    wall = 0.0
    affordable = sum(part.shard.size for part in material.parts if part.shard) <= MOST_TO_DIGEST
    for part in material.parts:
        if part.shard is not None and _is_stored(task, part.shard, loaded, settings, affordable):
            continue
        clips = part.seconds / CLIP_IN_S if part.clips is None else part.clips
        pieces = max(clips, part.seconds / task.crop_in_s) if task.crop_in_s else clips
        wall += speed.wall_in_s(pieces, part.seconds)
    return wall


def _is_stored(task: Task, shard: Shard, loaded: LoadedEncoder, settings: Settings, affordable: bool) -> bool:
    """Return whether a shard's embeddings are stored; an event task needs its frames, others have one or the other."""
    if not shard.sha256:
        if not affordable:
            return False
        shard = Shard(shard.path, shards.compute_sha256(shard.path), shard.size)
    store, dtype = Store(settings.cache), FRAMES[settings.frames]
    is_pooled = store.has(compute_pooled_address(shard, loaded, task.crop_in_s)) and not isinstance(task.target, Events)
    return is_pooled or FrameStore(store.root).has(compute_frames_address(shard, loaded, task.crop_in_s, dtype))
