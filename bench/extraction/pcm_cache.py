"""Decoded audio at an encoder's rate, kept for the next encoder of that rate (``--pcm-cache``).

It is a shard again: WAV beside JSON in a tar, of 16 bits where that is all there is to a clip and of float32 otherwise.
So what is read back has the bits of what was decoded, and no score depends on whether it was kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from bench.audio import decode
from bench.audio.decode import ResampledClip
from bench.datasets import shards
from bench.store.files import compute_address, write_atomically
from bench.types import Clip, DataError, Shard

LAYOUT = 2  # a change of what is kept, or how, bumps it
FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class PcmCache:
    """A folder of decoded shards, each with its digest beside it."""

    folder: Path

    def path(self, shard: Shard, rate: int) -> Path:
        source = [shard.sha256, shards.READING]
        return self.folder / f"{compute_address(layout=LAYOUT, shard=source, recipe=decode.RECIPE, rate=rate)}.tar"

    def find(self, shard: Shard, rate: int) -> Shard | None:
        """Return the decoded shard, verified; None where it is not kept, or not whole."""
        path = self.path(shard, rate)
        if not _locate_digest(path).exists() or not path.exists():
            return None
        try:
            return shards.verify_shard(path, _locate_digest(path).read_text())
        except DataError as error:
            warnings.warn(f"kept audio is damaged and is decoded again: {error}", stacklevel=2)
            return None

    @contextlib.contextmanager
    def keep(self, shard: Shard, rate: int) -> Iterator[Callable[[Clip], None]]:
        """Give a function that takes the clips of a shard in order; the block keeps all of them or none.

        While another process keeps the same ones they are just passed by.
        """
        path = self.path(shard, rate)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(path.with_suffix(".lock")), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            yield lambda clip: None
            return
        try:
            with write_atomically(path) as temporary:
                with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as out:
                    yield lambda clip: _add_clip(out, clip)
                digest = shards.compute_sha256(temporary)
            with write_atomically(_locate_digest(path)) as temporary:
                temporary.write_text(digest)
        finally:
            lock.release()


def restore_clip(sample: shards.Sample | shards.SampleRef, decoded: ResampledClip, rate: int) -> Clip:
    """Return the clip that a sample of a kept shard was, given its audio."""
    told = sample.sidecar
    return Clip(sample.key, decoded.audio, rate, told["sidecar"], told["where"], told["seconds"], told["digest"])


def _locate_digest(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _add_clip(out: tarfile.TarFile, clip: Clip) -> None:
    told = {"sidecar": clip.sidecar, "where": clip.where, "seconds": clip.seconds, "digest": clip.digest}
    for name, content in (("wav", _encode_wav(clip.audio, clip.sampling_rate)), ("json", json.dumps(told).encode())):
        info = tarfile.TarInfo(f"{clip.key}.{name}")
        info.size = len(content)
        out.addfile(info, io.BytesIO(content))


def _encode_wav(audio: NDArray[np.float32], rate: int) -> bytes:
    short = np.clip(np.rint(audio * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    again = short.astype(np.float32) / np.float32(FULL_SCALE)
    exact = np.array_equal(again.view(np.int32), audio.view(np.int32))
    buffer = io.BytesIO()
    soundfile.write(buffer, short if exact else audio, rate, format="WAV", subtype="PCM_16" if exact else "FLOAT")
    return buffer.getvalue()
