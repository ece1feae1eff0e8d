"""Audio as X-ARES 0.1.3 hands it to an encoder: the shards of a split as one stream of crops, in batches.

Decode, resample each channel with torchaudio, take the mean over channels, cut into crops without the rest at the end,
and group the crops in their order. Of the crops of one clip in one batch only the first survives, for they were stored
under one key; a clip whose crops straddle two batches therefore counts twice.

Source: X-ARES at commit 161f0ef, ``xares/audiowebdataset.py`` and ``xares/task.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode, torchaudio_safe
from bench.audio.notes import append_notes
from bench.datasets import shards
from bench.extraction.clip_chunks import CHUNK_IN_CLIPS, CHUNK_IN_S
from bench.extraction.engine.local import Engine
from bench.types import BenchError, DataError, Shard, Sidecar

RECIPE = (
    "every stream whole, torchaudio per channel, mean over channels, crops without the tail, batches in stream order"
)
CLIPS_AT_ONCE = 64  # clips that are decoded at a time


class CropOptions(NamedTuple):
    """The way a task is encoded."""

    crop_in_s: float | None
    batch_size: int


class Crop(NamedTuple):
    """A stretch of a clip's audio."""

    file: str  # the clip's key
    audio: NDArray[np.float32]  # [N] mono
    seconds: float  # without padding
    begins: bool  # whether it is the first of its clip
    sidecar: Sidecar
    where: str
    digest: str  # of the whole clip as it was decoded


class Batch(NamedTuple):
    """Crops that are encoded together."""

    number: int  # within the split
    crops: tuple[Crop, ...]


def iterate_chunks(split: Iterable[Shard], running: Engine, how: CropOptions) -> Iterator[list[Batch]]:
    """Yield the batches of a split, in groups that fit into memory and whose borders depend on the shards alone."""
    rate = running.loaded.encoder.sampling_rate
    stream, window, total_in_s = _iterate_crops(split, running, how), list[Batch](), 0.0
    for number in count():
        batch = Batch(number, tuple(islice(stream, how.batch_size)))
        if batch.crops:
            window.append(batch)
            total_in_s += len(batch.crops) * max(len(crop.audio) for crop in batch.crops) / rate
        crops = sum(len(held.crops) for held in window)
        if window and (not batch.crops or total_in_s >= CHUNK_IN_S or crops >= CHUNK_IN_CLIPS):
            yield window
            window, total_in_s = [], 0.0
        if not batch.crops:
            return


def _iterate_crops(split: Iterable[Shard], running: Engine, how: CropOptions) -> Iterator[Crop]:
    """Yield the crops of all clips that decode, in the order of the shards."""
    rate = running.loaded.encoder.sampling_rate
    resample = _load_resampler(rate)

    def decode_crops(sample: shards.Sample) -> list[Crop]:
        try:
            audio, native, notes = decode.decode_file(sample.audio, where=sample.where)
        except DataError:
            return []  # counted by ``bench.evaluation.inputs.TaskRows.missing``
        digest = append_notes(decode.compute_digest(decode.mix_to_mono(audio), native), notes)
        mono = resample(audio, native)
        parts = cut_crops(mono, rate, how.crop_in_s)
        seconds = len(audio) / native if how.crop_in_s is None else min(len(audio) / native, how.crop_in_s)
        return [
            Crop(sample.key, part, seconds, place == 0, sample.sidecar, sample.where, digest)
            for place, part in enumerate(parts)
        ]

    samples = chain.from_iterable(shards.read_samples(shard) for shard in split)
    while group := list(islice(samples, CLIPS_AT_ONCE)):
        yield from chain.from_iterable(running.pool.map(decode_crops, group))


def _load_resampler(wanted: int) -> Callable[[NDArray[np.float32], int], NDArray[np.float32]]:
    """Return a function from samples [N, channels] and their rate to mono audio [N] at ``wanted`` Hz.

    Raises:
        BenchError: If torchaudio is not installed.
    """
    import torch

    torchaudio = torchaudio_safe.load()
    if torchaudio is None:
        expected = "pip install torchaudio, whose resampling X-ARES uses"
        raise BenchError("no torchaudio", got="not installed", expected=expected, where="--protocol xares")
    convert = torchaudio.functional.resample

    def resample(audio: NDArray[np.float32], native: int) -> NDArray[np.float32]:
        waveform = torch.from_numpy(np.ascontiguousarray(audio.T))
        if native != wanted:
            waveform = convert(waveform, native, wanted)
        mono: NDArray[np.float32] = waveform.mean(dim=0).numpy()
        return mono

    return resample


def cut_crops(audio: NDArray[np.float32], rate: int, crop_in_s: float | None) -> list[NDArray[np.float32]]:
    """Return the crops of a clip [N]: as many as fit, without the rest at the end; a shorter clip is padded."""
    if crop_in_s is None:
        return [audio]
    length = int(crop_in_s * rate)
    if len(audio) < length:
        return [np.pad(audio, (0, length - len(audio)))]
    return [audio[at * length : (at + 1) * length] for at in range(len(audio) // length)]


def find_survivors(batch: Batch) -> list[int]:
    """Return the places of the crops of a batch that are the first of their clip in it."""
    files = [crop.file for crop in batch.crops]
    return [place for place, file in enumerate(files) if files.index(file) == place]
