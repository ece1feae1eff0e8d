"""Trial lists as text: read and written, every line accounted for.

Columns are separated by white space; an empty line at the end is allowed, any other is an error. A list of 12 million
lines is read in blocks and kept as two int32 and one uint8 array.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types.trials import Form

BLOCK = 100_000  # lines
SPACES = "\t\r\x0b\x0c\x1c\x1d\x1e\x1f"  # what str.split takes for white space in ASCII, beside the usual
LABELS: Mapping[Form, Mapping[str, int]] = {
    "label first": {"1": 1, "0": 0},
    "label last": {"target": 1, "nontarget": 0, "tgt": 1, "imp": 0, "1": 1, "0": 0},
    "unlabelled": {},
}
COLUMNS: Mapping[Form, tuple[str, ...]] = {
    "label first": ("label", "enrol", "test"),
    "label last": ("enrol", "test", "label"),
    "unlabelled": ("enrol", "test"),
}


@dataclass(frozen=True, slots=True)
class TrialList:
    """n trials in the list's order."""

    enrol: NDArray[np.int32]  # [n] places in the utterance ids that the list was read with
    test: NDArray[np.int32]  # [n]
    labels: NDArray[np.uint8] | None  # [n] 1 for a target; None where the list does not say

    def __len__(self) -> int:
        return len(self.enrol)


def read_trial_list(path: Path, ids: Sequence[str], form: Form, *, repeats: bool = False) -> TrialList:
    """The trials of a file about the utterances ``ids``, which are all that there are embeddings of.

    Raises DataError, naming list and line, for a line of other columns, an unknown label, an utterance that is none of
    ``ids``, an utterance paired with itself and, unless ``repeats``, a pair that comes twice in either order; and for
    ids that repeat, a file that cannot be read and one without trials.
    """
    places = {name: place for place, name in enumerate(ids)}
    if len(places) < len(ids):
        twice = next(name for place, name in enumerate(ids) if places[name] != place)
        raise DataError("utterance id twice", got=twice, expected="unique ids", where=path)
    try:
        with path.open(encoding="utf-8") as lines:
            blocks = list(_blocks(lines, places, form, path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read the trial list", got=error, expected="a text file", where=path) from error
    if not blocks:
        raise DataError("no trials", got="0 lines", expected="at least 1", where=path)
    enrol, test, labels = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    found = TrialList(enrol, test, None if form == "unlabelled" else labels)
    check_pairs(found, ids, path, repeats=repeats)
    return found


def check_pairs(trials: TrialList, ids: Sequence[str], where: object, *, repeats: bool = False) -> None:
    """Raise DataError, naming the line, for an utterance against itself and, unless ``repeats``, a pair come again."""
    own = np.flatnonzero(trials.enrol == trials.test)
    if own.size:
        got, line = ids[trials.enrol[own[0]]], own[0] + 1
        raise DataError("an utterance against itself", got=got, expected="two utterances", where=_line(where, line))
    if repeats:
        return
    low, high = np.minimum(trials.enrol, trials.test), np.maximum(trials.enrol, trials.test)
    pairs = low.astype(np.int64) * len(ids) + high
    if (np.diff(np.sort(pairs)) > 0).all():
        return
    order = np.argsort(pairs, kind="stable")
    again = order[1:][np.diff(pairs[order]) == 0].min()
    first = np.flatnonzero(pairs == pairs[again])[0]
    got = f"{ids[trials.enrol[again]]} and {ids[trials.test[again]]} as in line {first + 1}"
    raise DataError("a pair twice", got=got, expected="each pair once", where=_line(where, again + 1))


def format_trial_list(trials: TrialList, ids: Sequence[str], form: Form) -> Iterator[str]:
    """The list as text, line by line with its end. Raises DataError for a form with labels and a list without."""
    if form == "unlabelled" or trials.labels is None:
        if form != "unlabelled":
            raise DataError("a list without labels", got=form, expected="unlabelled", where="trial list")
        yield from (f"{ids[e]} {ids[t]}\n" for e, t in zip(trials.enrol, trials.test, strict=True))
        return
    for e, t, label in zip(trials.enrol, trials.test, trials.labels, strict=True):
        if form == "label first":
            yield f"{label} {ids[e]} {ids[t]}\n"
        else:
            yield f"{ids[e]} {ids[t]} {'target' if label else 'nontarget'}\n"


def build_submission(scores: Mapping[str, NDArray[np.float32]]) -> bytes:
    """A zip of score files by name, one score a line in the order of the list, higher for the same speaker.

    The same scores give the same bytes, and every score reads back as the float32 that it was. Source: the rules of
    the TidyVoice challenge 2026, whose submission is one zip with the scores of both evaluation lists and nothing else.
    Raises DataError for scores that are not finite.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(scores):
            if not np.isfinite(scores[name]).all():
                raise DataError("no score", got="NaN or infinity", expected="finite scores", where=name)
            entry = zipfile.ZipInfo(name)  # dated 1980, whenever it is written
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, "".join(f"{score:.9g}\n" for score in scores[name].tolist()))
    return content.getvalue()


def _blocks(
    lines: Iterable[str], places: Mapping[str, int], form: Form, path: Path
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]]:
    start, names, known = 0, COLUMNS[form], LABELS[form]
    rest = iter(lines)
    while block := list(islice(rest, BLOCK)):
        if not block[-1].strip() and next(rest, None) is None:
            block.pop()
        columns = _columns(block, len(names))
        if columns is None:
            _refuse(block, start, places, form, path)
        elif block:
            own = dict(zip(names, columns, strict=True))
            enrol, test = (_places(own[side], places) for side in ("enrol", "test"))
            labels = _places(own.get("label", []), known)
            if min(enrol.min(), test.min(), labels.min(initial=0)) < 0:
                _refuse(block, start, places, form, path)
            yield enrol, test, labels.astype(np.uint8)
        start += len(block)


def _columns(block: Sequence[str], width: int) -> list[Sequence[str]] | None:
    """The columns of some lines; None where a line has not ``width`` of them."""
    text = "".join(block)
    plain = text.isascii() and not any(space in text for space in SPACES)
    if plain and set(map(str.count, block, repeat(" "))) <= {width - 1}:  # none has more columns, so none has less
        tokens = text.split()
        if len(tokens) == width * len(block):
            return [tokens[place::width] for place in range(width)]
    rows = list(map(str.split, block))
    if set(map(len, rows)) - {width}:
        return None
    return [[row[place] for row in rows] for place in range(width)]


def _places(tokens: Sequence[str], known: Mapping[str, int]) -> NDArray[np.int32]:
    """[n] what is known of each, -1 for nothing."""
    try:
        return np.fromiter(map(known.__getitem__, tokens), np.int32, len(tokens))
    except KeyError:
        return np.array([known.get(token, -1) for token in tokens], dtype=np.int32)


def _refuse(block: Sequence[str], start: int, places: Mapping[str, int], form: Form, path: Path) -> None:
    """Raise the error of the first line that is not as it should be."""
    for number, row in enumerate(map(str.split, block), start + 1):
        where = _line(path, number)
        if len(row) != len(COLUMNS[form]):
            expected = " ".join(COLUMNS[form])
            raise DataError("no trial", got=" ".join(row) or "an empty line", expected=expected, where=where)
        own = dict(zip(COLUMNS[form], row, strict=True))
        if own.get("label") is not None and own["label"] not in LABELS[form]:
            raise DataError("unknown label", got=own["label"], expected=" or ".join(LABELS[form]), where=where)
        for side in ("enrol", "test"):
            if own[side] not in places:
                expected = f"one of {len(places)} utterances with an embedding"
                raise DataError("unknown utterance", got=own[side], expected=expected, where=where)


def _line(where: object, number: int) -> str:
    return f"{where}, line {number}"
