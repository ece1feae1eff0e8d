"""A process that decodes clips for another one, so that neither waits for the interpreter's lock of the other.

``python -m bench.extraction.engine.decoder_process CONNECTION MEMORY``, two open descriptors: questions and answers
are JSON over the connection, audio is written to the start of the memory, a file without a name. It ends when the
connection does.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.audio import decode
from bench.datasets import shards
from bench.types import DataError, Shard

LISTED = 128  # samples in an answer


def serve(connection: Connection, memory: int) -> None:
    """Answer until nobody asks any more."""
    try:
        while True:
            told = json.loads(connection.recv_bytes())
            answers = (
                _list_samples(*told["list"]) if "list" in told else _decode_clips(told["decode"], told["rate"], memory)
            )
            for answer in _report_errors(answers):
                connection.send_bytes(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _report_errors(answers: Iterator[Any]) -> Iterator[bytes]:
    """Yield answers as JSON, with the error in place of the last one where there is any."""
    try:
        yield from (json.dumps(answer).encode() for answer in answers)
    except DataError as error:
        yield _encode_error(error.what, error.got, error.expected, error.where, error.remedy)
    except Exception as error:  # noqa: BLE001  (it is reported, and the next question is answered)
        got = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        yield _encode_error("a decoding process failed", got, "decoded audio", "", "")


def _encode_error(*slots: str) -> bytes:
    return json.dumps({"error": slots}).encode()


def _list_samples(path: str, sha256: str, size: int) -> Iterator[list[Any]]:
    """Yield the samples of a shard, some at a time; none at the end."""
    entries = shards.read_sample_refs(Shard(Path(path), sha256, size))
    while some := [[e.key, e.byte_range, e.sidecar, e.where] for e in itertools.islice(entries, LISTED)]:
        yield some
    yield []


def _decode_clips(wanted: list[Any], rate: int, memory: int) -> Iterator[list[Any]]:
    """Yield length, seconds and digest of each clip; the audio, float32, lies one after another in ``memory``."""
    told, end = [], 0
    for place, where in wanted:
        clip = decode.decode_resampled(shards.read_byte_range(shards.ByteRange(*place)), rate, where=where)
        end += _write_all(memory, clip.audio.data.cast("B"), end)
        told.append([len(clip.audio), clip.seconds, clip.digest])
    yield told


def _write_all(memory: int, content: memoryview, offset: int) -> int:
    """All of the bytes, however many the system takes at a time."""
    done = 0
    while done < len(content):
        done += os.pwrite(memory, content[done:], offset + done)
    return done


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
