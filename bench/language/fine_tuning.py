"""Write training sets for models that answer pair questions: pairs as WebDataset shards with prompt and answer.

A sample of key ``00000017`` is ``00000017.enrol.flac`` and ``00000017.test.flac``, or ``00000017.flac`` in a layout of
one audio, and ``00000017.json``: prompt, answer, both answers, layout, the two recordings and whether they are a
target. The order of the answers in the prompt is random. Shards are made one at a time, so that any number of pairs
fits into memory, and written atomically; a stopped run resumes with the first missing shard.

The published training set has 9 million text-independent pairs (of VoxCeleb 2, CN-Celeb and 3D-Speaker) and 280
thousand text-dependent ones (of LibriSpeech), the text-dependent test 5,560 (Ren et al., arXiv 2509.19755): ``SIZES``.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.language.pair_layouts import Audio, arrange_pair, crop_pair
from bench.language.pair_questions import WORDS, build_prompt, hash_prompt
from bench.store.files import write_atomically
from bench.types import DataError
from bench.verification.pair_lists import PairList, make_generator

SIZES = {"text-independent": 9_000_000, "text-dependent": 280_000, "text-dependent test": 5_560}
INDEX = "pairs.json"
NAMES = {1: ("flac",), 2: ("enrol.flac", "test.flac")}  # extensions by number of audios


def write_training_set(
    folder: Path,
    pairs: PairList,
    audio: Callable[[str], Audio],
    *,
    sampling_rate: int,
    layout: str = "separate",
    words: tuple[str, str] = WORDS,
    most_in_s: float | None = None,
    per_shard: int = 1000,
    seed: int = 0,
) -> tuple[Path, ...]:
    """Write all pairs into shards ``pairs-000000.tar``, ... and, last, their description ``pairs.json``.

    Args:
        folder: Folder of the set.
        pairs: The pairs.
        audio: Returns the samples [N] of a recording's key, in [-1, 1] at ``sampling_rate``.
        sampling_rate: Of audio read and written [Hz].
        layout: One of ``LAYOUTS``.
        words: Answers for one speaker and for two speakers.
        most_in_s: Recordings are cut so that the layout is at most this long.
        per_shard: Pairs of a shard.
        seed: Seed of the order of the answers.

    Returns:
        Paths of the shards.

    Raises:
        DataError: There are no pairs, or the folder holds a set made with other arguments.
    """
    if not len(pairs) or per_shard < 1:
        raise DataError("nothing to write", got=f"{len(pairs)} pairs", expected="at least one", where=folder)
    reversed_answers = make_generator(seed, "answers", layout).random(len(pairs)) < 0.5
    description = _describe_set(pairs, sampling_rate, layout, words, most_in_s, per_shard, seed)
    _claim_folder(folder, description)
    paths = []
    for shard, start in enumerate(range(0, len(pairs), per_shard)):
        path = folder / f"pairs-{shard:06d}.tar"
        paths.append(path)
        if path.exists():
            continue
        batch = range(start, min(start + per_shard, len(pairs)))
        with write_atomically(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for index in batch:
                sides = audio(pairs.keys[pairs.enrol[index]]), audio(pairs.keys[pairs.test[index]])
                audios = arrange_pair(layout, *crop_pair(layout, *sides, sampling_rate, most_in_s), sampling_rate)
                sidecar = _build_sidecar(pairs, index, layout, words, bool(reversed_answers[index]))
                _add_sample(archive, f"{index:08d}", audios, sampling_rate, sidecar)
    with write_atomically(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(description | {"complete": True}, indent=1, sort_keys=True) + "\n")
    return tuple(paths)


def _describe_set(
    pairs: PairList,
    sampling_rate: int,
    layout: str,
    words: tuple[str, str],
    most_in_s: float | None,
    per_shard: int,
    seed: int,
) -> dict[str, Any]:
    return {
        "pairs": len(pairs),
        "targets": int(np.count_nonzero(pairs.target)),
        "sides": dict(zip(pairs.sides, np.bincount(pairs.side, minlength=len(pairs.sides)).tolist(), strict=True)),
        "counts": dict(pairs.counts),
        "list_sha256": _hash_list(pairs.keys, (pairs.enrol, pairs.test, pairs.side)),
        "layout": layout,
        "answers": list(words),
        "prompt_sha256": hash_prompt(layout, words),
        "sampling_rate": sampling_rate,
        "most_in_s": most_in_s,
        "per_shard": per_shard,
        "seed": seed,
    }


def _hash_list(keys: tuple[str, ...], arrays: tuple[NDArray[Any], ...]) -> str:
    digest = hashlib.sha256("\n".join(keys).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _claim_folder(folder: Path, description: Mapping[str, Any]) -> None:
    """Note the set being made, so that two sets do not mix. Raises DataError when the folder holds another set."""
    path = folder / INDEX
    if path.exists():
        noted = json.loads(path.read_text())
        differing = [name for name, value in description.items() if noted.get(name) != value]
        if differing:
            got = f"another {', '.join(differing)}"
            raise DataError("folder holds other pairs", got=got, expected="the same set or a new folder", where=folder)
        return
    if any(folder.glob("pairs-*.tar")):
        raise DataError("shards of unknown pairs", got=f"no {INDEX}", expected="a new folder", where=folder)
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps({**description, "complete": False}, indent=1, sort_keys=True) + "\n")


def _build_sidecar(
    pairs: PairList, index: int, layout: str, words: tuple[str, str], reversed_answers: bool
) -> dict[str, Any]:
    target = bool(pairs.target[index])
    return {
        "prompt": build_prompt(layout, words, reversed_answers=reversed_answers),
        "answer": words[0] if target else words[1],
        "answers": list(words),
        "layout": layout,
        "enrol": pairs.keys[pairs.enrol[index]],
        "test": pairs.keys[pairs.test[index]],
        "target": target,
        "side": pairs.sides[pairs.side[index]],
    }


def _add_sample(
    archive: tarfile.TarFile, key: str, audios: tuple[Audio, ...], sampling_rate: int, sidecar: Mapping[str, Any]
) -> None:
    for name, content in _encode_members(audios, sampling_rate, sidecar):
        info = tarfile.TarInfo(f"{key}.{name}")
        info.size, info.mtime, info.mode = len(content), 0, 0o644
        archive.addfile(info, io.BytesIO(content))


def _encode_members(
    audios: tuple[Audio, ...], sampling_rate: int, sidecar: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    for name, audio in zip(NAMES[len(audios)], audios, strict=True):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.clip(audio, -1, 1), sampling_rate, format="FLAC", subtype="PCM_16")
        yield name, buffer.getvalue()
    yield "json", json.dumps(sidecar, sort_keys=True, ensure_ascii=False).encode()
