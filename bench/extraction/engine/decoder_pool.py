"""Processes that decode clips beside this one, for a device that is faster than decoding under one interpreter's lock.

A GPU's operations are queued by Python one by one, each asking for the lock that decoding threads hold as well; and
however many threads there are, what they do in Python, they do one after another.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from bench.audio.decode import ResampledClip
from bench.datasets.shards import ByteRange, SampleRef
from bench.types import BenchError, DataError, Shard

ROOT = Path(__file__).parents[3]
PATIENCE_IN_S = 5.0  # for a process that has nothing more to say


class RunningProcess(NamedTuple):
    """A process that is asked over a connection and writes audio to a file without a name."""

    process: subprocess.Popen[bytes]
    connection: Connection
    memory: int


class DecoderProcess:
    """Such a process, started when it is needed, and again when it has died. One thread at a time may ask it."""

    def __init__(self) -> None:
        self._started: RunningProcess | None = None
        self._listing = False

    def start(self) -> RunningProcess:
        """Return the process; it need not be ready for questions yet. Raises BenchError where none can be started."""
        if self._started is None:
            with contextlib.ExitStack() as on_failure:
                memory = os.memfd_create("decoded audio")
                on_failure.callback(os.close, memory)
                ours, theirs = Pipe()
                on_failure.callback(ours.close)
                with theirs:
                    process = _start_process(theirs.fileno(), memory)
                on_failure.pop_all()
            self._started = RunningProcess(process, ours, memory)
        return self._started

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._started is not None:
            process, connection, memory = self._started
            self._started, self._listing = None, False
            connection.close()
            process.kill()
            process.wait()
            os.close(memory)

    def entries(self, shard: Shard) -> Iterator[SampleRef]:
        """Yield what ``bench.datasets.shards.read_sample_refs`` does."""
        if self._listing:  # another shard, not to its end
            self.close()
        self._tell({"list": [str(shard.path), shard.sha256, shard.size]}, shard.path)
        self._listing = True
        while some := self._told(shard.path):
            for key, place, sidecar, where in some:
                yield SampleRef(key, ByteRange(*place), sidecar, where)
        self._listing = False

    def decode_resampled(self, entries: Sequence[SampleRef], rate: int) -> list[ResampledClip]:
        """Return what ``bench.audio.decode.decode_resampled`` does of each sample."""
        where = f"{entries[0].where} to {entries[-1].where}"
        self._tell({"decode": [[entry.byte_range, entry.where] for entry in entries], "rate": rate}, where)
        told = self._told(where)
        starts = [0, *itertools.accumulate(length for length, _, _ in told)]
        audio = np.empty(starts[-1], dtype=np.float32)
        self._read(audio.data.cast("B"), where)
        return [
            ResampledClip(audio[start : start + length], seconds, digest)
            for start, (length, seconds, digest) in zip(starts, told, strict=False)
        ]

    def _tell(self, what: dict[str, Any], where: object) -> None:
        try:
            self.start().connection.send_bytes(json.dumps(what).encode())
        except OSError as error:
            raise self._gone(where) from error

    def _told(self, where: object) -> list[Any]:
        try:
            told = json.loads(self.start().connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._gone(where) from error
        if isinstance(told, dict):
            self._listing = False
            what, got, expected, place, remedy = told["error"]
            raise DataError(what, got=got, expected=expected, where=place or where, remedy=remedy)
        return list(told)

    def _read(self, into: memoryview, where: object) -> None:
        memory, done = self.start().memory, 0
        while done < len(into):
            if (read := os.preadv(memory, [into[done:]], done)) == 0:
                raise DataError("decoded audio is cut short", got=done, expected=f"{len(into)} bytes", where=where)
            done += read

    def _gone(self, where: object) -> DataError:
        """Return the error for a process that does not answer; the next question starts another one."""
        process = self.start().process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_IN_S)
        got = f"exit status {process.returncode}"
        self.close()
        return DataError("a decoding process is gone", got=got, expected="decoded audio", where=where)


def _start_process(connection: int, memory: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.extraction.engine.decoder_process", str(connection), str(memory)],
            pass_fds=(connection, memory),
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a worker of xdist speaks over its own
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
    except OSError as error:
        expected = "room for one more (--decoders 0: threads decode)"
        got = error.strerror or str(error)
        raise BenchError("cannot start a decoding process", got=got, expected=expected, where=sys.executable) from error


class DecoderPool:
    """Several of them, and one more that lists what shards hold."""

    def __init__(self, count: int) -> None:
        self._lister = DecoderProcess()
        self.each = tuple(DecoderProcess() for _ in range(count))
        self._free: SimpleQueue[DecoderProcess] = SimpleQueue()
        for decoder in self.each:
            self._free.put(decoder)

    def start(self) -> None:
        """Start them all, to be ready when they are asked."""
        for decoder in (self._lister, *self.each):
            decoder.start()

    def close(self) -> None:
        """End them all."""
        for decoder in (self._lister, *self.each):
            decoder.close()

    def entries(self, shard: Shard) -> Iterator[SampleRef]:
        """Yield the samples of a shard, listed by a process of its own; one shard at a time."""
        return self._lister.entries(shard)

    def decode_resampled(self, entries: Sequence[SampleRef], rate: int) -> list[ResampledClip]:
        """Mono audio at ``rate`` Hz of each sample, from the next process that is free."""
        decoder = self._free.get()
        try:
            return decoder.decode_resampled(entries, rate)
        finally:
            self._free.put(decoder)


@functools.cache
def get_shared_pool(count: int) -> DecoderPool:
    """So many decoders for all tasks of this process, which end with it."""
    decoders = DecoderPool(count)
    atexit.register(decoders.close)
    return decoders
