"""The layouts of corpora for speaker verification: which audio files a trial list is about, and what their names say.

Each function makes a ``ShardSet.corpus``: from the corpus's folder and a split to its audio files. A file that a list
names and that is not there is left to the reader of the list, which names the line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from bench.types import AudioFile, DataError

Corpus = Callable[[Path, str], Iterable[AudioFile]]
AUDIO = (".wav", ".flac")


def build_voxceleb(trials: str) -> Corpus:
    """Build the reader of ``wav/<speaker>/<video>/<number>.wav`` and, if any, ``vox1_meta.csv``.

    Ids are paths below ``wav``.

    All utterances of the speakers that the list names belong to it, so that lists share what is encoded.
    """

    def files(folder: Path, split: str) -> Iterator[AudioFile]:
        about = _read_vox1_meta(folder / "vox1_meta.csv")
        for speaker in sorted({name.split("/")[0] for name in read_utterances(folder / trials, (1, 2))}):
            for path in sorted((folder / "wav" / speaker).glob("*/*.wav")):
                key = path.relative_to(folder / "wav").as_posix()
                sidecar = {"speaker": speaker, **about.get(speaker, {})}
                yield AudioFile(key, f"wav/{key}", sidecar, speaker)

    return files


def list_cnceleb(folder: Path, split: str) -> Iterator[AudioFile]:
    """List the files of ``eval/enroll`` and ``eval/test``; an enrolment has its name as id, a test ``test/<file>``.

    The lists say .wav also where the files are .flac. The second part of a test's name is its genre.
    """
    for path in _list_audio(folder / "eval" / "enroll"):
        yield AudioFile(path.stem, f"eval/enroll/{path.name}", {"speaker": path.stem.split("-")[0]}, "enroll")
    for path in _list_audio(folder / "eval" / "test"):
        speaker, genre, *_ = path.stem.split("-")
        yield AudioFile(
            f"test/{path.stem}.wav", f"eval/test/{path.name}", {"speaker": speaker, "scene": genre}, speaker
        )


def list_three_d_speaker(folder: Path, split: str) -> Iterator[AudioFile]:
    """List the files of ``files/test_wav.scp`` (utterance, path below ``test``) and ``files/test_utt2spk``.

    Device, distance and dialect stand in the utterance's name.
    """
    speakers = dict(_read_columns(folder / "files" / "test_utt2spk"))
    for utterance, path in _read_columns(folder / "files" / "test_wav.scp"):
        if utterance not in speakers:
            where = folder / "files" / "test_utt2spk"
            raise DataError("no speaker", got=utterance, expected="a line for every utterance", where=where)
        marks = {kind.lower(): number for kind, number in re.findall(r"(Device|Distance|Dialect)(\d+)", utterance)}
        sidecar = {"speaker": speakers[utterance], **marks}
        yield AudioFile(utterance, f"test/{path.lstrip('/')}", sidecar, speakers[utterance])


def list_tidyvoice(folder: Path, split: str) -> Iterator[AudioFile]:
    """List ``TidyVoiceX_{Train,Dev}/<speaker>/<language>/<file>.wav``; ids are paths below ``TidyVoiceX_Dev``."""
    root = folder / {"train": "TidyVoiceX_Train", "test": "TidyVoiceX_Dev"}[split]
    for path in sorted(root.glob("*/*/*.wav")):
        key = path.relative_to(root).as_posix()
        speaker, language, _ = key.split("/")
        yield AudioFile(key, path.relative_to(folder).as_posix(), {"speaker": speaker, "language": language}, speaker)


def build_tidyvoice_eval(trials: str) -> Corpus:
    """Build the reader of ``TidyVoiceX2_ASV/<file>.wav``, without metadata; training is that of TidyVoiceX."""

    def files(folder: Path, split: str) -> Iterator[AudioFile]:
        if split == "train":
            yield from list_tidyvoice(folder, split)
            return
        for name in sorted(read_utterances(folder / trials, (0, 1))):
            path = name if name.endswith(AUDIO) else f"{name}.wav"
            if (folder / "TidyVoiceX2_ASV" / path).is_file():
                yield AudioFile(name, f"TidyVoiceX2_ASV/{path}", {}, f"eval-{Path(name).stem[:-3]}")

    return files


def list_recordings(folder: Path, split: str) -> Iterator[AudioFile]:
    """List ``recordings.csv`` with columns ``key``, ``path`` and ``speaker``; any further column is an attribute.

    The layout for a user's own list of pairs; an empty cell is an attribute that is not known.
    """
    table = folder / "recordings.csv"
    with _open(table) as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            if not all(row.get(name) for name in ("key", "path", "speaker")):
                where = f"{table}, line {number}"
                raise DataError("no recording", got=row, expected="values of key, path and speaker", where=where)
            known = {name: value for name, value in row.items() if value and name not in ("key", "path")}
            yield AudioFile(row["key"], row["path"], known, row["speaker"])


def read_utterances(path: Path, columns: tuple[int, int]) -> set[str]:
    """Read the utterances that a trial list names; lines that are no trials are left to the list's reader."""
    utterances: set[str] = set()
    with _open(path) as lines:
        for line in lines:
            row = line.split()
            utterances.update(row[column] for column in columns if column < len(row))
    return utterances


def _read_vox1_meta(path: Path) -> dict[str, dict[str, str]]:
    """Read speaker -> gender and nationality; nothing where the table is not there."""
    if not path.is_file():
        return {}
    with _open(path) as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    missing = {"VoxCeleb1 ID", "Gender", "Nationality"} - set(rows[0] if rows else ())
    if missing:
        got = f"no column {', '.join(sorted(missing))}"
        raise DataError("VoxCeleb1's table", got=got, expected="its columns, separated by tabs", where=path)
    return {row["VoxCeleb1 ID"]: {"gender": row["Gender"], "nationality": row["Nationality"]} for row in rows}


def _list_audio(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in AUDIO)


def _read_columns(path: Path) -> Iterator[tuple[str, str]]:
    with _open(path) as lines:
        for number, line in enumerate(lines, 1):
            row = line.split()
            if len(row) != 2:
                raise DataError("no pair", got=line.strip(), expected="two columns", where=f"{path}, line {number}")
            yield row[0], row[1]


def _open(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="a text file", where=path) from error
