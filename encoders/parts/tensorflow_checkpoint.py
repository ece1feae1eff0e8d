"""Checkpoints of TensorFlow (V2 format) read without TensorFlow: an index ``PREFIX.index`` and one file of numbers.

The index is a sorted string table as in LevelDB (google/leveldb, doc/table_format.md), uncompressed: name of a tensor
-> ``BundleEntryProto``; the empty name -> ``BundleHeaderProto`` (tensorflow/core/protobuf/tensor_bundle.proto). Only
what plain numbers need is understood, and everything else refused; nothing in the files is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.types import EncoderError

FOOTER = 48  # bytes at the end
MAGIC = 0xDB4775248B80FB57  # its last eight
FLOAT32 = 1  # DataType
VARINT = 0  # wire types of protocol buffers
FIXED64 = 1
BYTES = 2
FIXED32 = 5
Fields = dict[int, list[int | bytes]]


def read_tensors(folder: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read every float32 tensor of the checkpoint ``PREFIX`` in ``folder``, by name.

    Raises EncoderError for files that are missing, of another format, or of more than one shard.
    """
    index, data = (folder / f"{prefix}{end}" for end in (".index", ".data-00000-of-00001"))
    try:
        numbers = data.read_bytes()
        return dict(_iterate_tensors(index.read_bytes(), numbers))
    except OSError as error:
        raise EncoderError("weights", got=error, expected=f"{index.name} and {data.name}", where=folder) from error
    except (ValueError, IndexError) as error:
        raise EncoderError("weights", got=error, expected="an index of TensorFlow, version 2", where=index) from error


def _iterate_tensors(table: bytes, numbers: bytes) -> Iterator[tuple[str, Tensor]]:
    for key, value in _iterate_entries(table):
        fields = _read_fields(value)
        if not key:
            if _get_number(fields, 1) != 1 or _get_number(fields, 2):
                raise ValueError("several shards, or big-endian")
        elif _get_number(fields, 1) == FLOAT32:
            yield key.decode(), _read_tensor(fields, numbers)


def _read_tensor(fields: Fields, numbers: bytes) -> Tensor:
    shape = []
    for message in fields.get(2, []):
        for dimension in _read_fields(_get_message(message)).get(2, []):
            shape.append(_get_number(_read_fields(_get_message(dimension)), 1))
    start, size = _get_number(fields, 4), _get_number(fields, 5)
    if fields.get(7) or size != 4 * math.prod(shape) or start + size > len(numbers):
        raise ValueError(f"{size} bytes at {start} of {len(numbers)} for a tensor of {shape}")
    return torch.frombuffer(bytearray(numbers[start : start + size]), dtype=torch.float32).reshape(shape)


def _iterate_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of every block that the index block names."""
    footer = table[-FOOTER:]
    if len(footer) < FOOTER or int.from_bytes(footer[-8:], "little") != MAGIC:
        raise ValueError("no table")
    _, _, at = _read_handle(footer, 0)  # of the block on the blocks, which says nothing here
    for _, handle in _iterate_block(table, *_read_handle(footer, at)[:2]):
        yield from _iterate_block(table, *_read_handle(handle, 0)[:2])


def _iterate_block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block: length shared with the last key, lengths of the rest and the value, both."""
    block = table[start : start + size]
    if len(block) < size or table[start + size]:
        raise ValueError("a block that is cut off or compressed")
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = _read_varint(block, at)
        rest, at = _read_varint(block, at)
        length, at = _read_varint(block, at)
        key = key[:shared] + block[at : at + rest]
        at += rest
        yield key, block[at : at + length]
        at += length


def _read_handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Read offset and size of a block; also return where reading stopped."""
    start, at = _read_varint(data, at)
    size, at = _read_varint(data, at)
    return start, size, at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number, seven bits a byte, lowest first, last byte below 128; also return where it ended."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _read_fields(message: bytes) -> Fields:
    """Read a protocol buffer: field number -> values, in order."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        value: int | bytes
        kind = tag & 7
        if kind == VARINT:
            value, at = _read_varint(message, at)
        elif kind in (BYTES, FIXED32, FIXED64):
            size, at = _read_varint(message, at) if kind == BYTES else (4 if kind == FIXED32 else 8, at)
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"field of wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _get_number(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value


def _get_message(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a message is expected")
    return value
