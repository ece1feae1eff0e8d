"""Read and write trial lists as text; every line is checked.

Columns are separated by white space; an empty line at the end is allowed, any other is an error. Lists are read in
blocks and kept as two int32 and one uint8 array, so that 12 million lines fit into memory.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types.trials import Form

BLOCK = 100_000  # lines
SPACES = "\t\r\x0b\x0c\x1c\x1d\x1e\x1f"  # white space of str.split in ASCII, besides space and newline
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
    """The n trials of a list, in its order."""

    enrol: NDArray[np.int32]  # [n] indices into the utterance ids that the list was read with
    test: NDArray[np.int32]  # [n]
    labels: NDArray[np.uint8] | None  # [n] 1 for a target; None for a list without labels
    repeated: int = 0  # trials whose pair occurred before, in either order

    def __len__(self) -> int:
        return len(self.enrol)


def read_trial_list(path: Path, ids: Sequence[str], form: Form, *, repeats: bool = False) -> TrialList:
    """Read the trials of a file.

    Args:
        path: The list.
        ids: Utterances that have an embedding.
        form: Order of the columns.
        repeats: Allow a pair to occur more than once, with one label.

    Raises:
        DataError: A line (which the error names) has other columns, an unknown label, an utterance that is not among
            ``ids``, an utterance paired with itself, a pair that occurred before, in either order, with another label
            or, unless ``repeats``, with any; or ``ids`` are not unique, the file cannot be read or it has no trials.
    """
    indices = {name: index for index, name in enumerate(ids)}
    if len(indices) < len(ids):
        repeated = next(name for index, name in enumerate(ids) if indices[name] != index)
        raise DataError("utterance id twice", got=repeated, expected="unique ids", where=path)
    try:
        with path.open(encoding="utf-8") as lines:
            blocks = list(_read_blocks(lines, indices, form, path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read the trial list", got=error, expected="a text file", where=path) from error
    if not blocks:
        raise DataError("no trials", got="0 lines", expected="at least 1", where=path)
    enrol, test, labels = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    trials = TrialList(enrol, test, None if form == "unlabelled" else labels)
    return replace(trials, repeated=count_repeated_pairs(trials, ids, path, repeats=repeats))


def count_repeated_pairs(trials: TrialList, ids: Sequence[str], where: object, *, repeats: bool = False) -> int:
    """Return the number of trials whose pair occurred before, in either order.

    Raises:
        DataError: An utterance is paired with itself, or a pair has two labels or, unless ``repeats``, occurs twice;
            the error names the line.
    """
    to_itself = np.flatnonzero(trials.enrol == trials.test)
    if to_itself.size:
        got, line = ids[trials.enrol[to_itself[0]]], to_itself[0] + 1
        raise DataError(
            "an utterance against itself", got=got, expected="two utterances", where=_name_line(where, line)
        )
    low, high = np.minimum(trials.enrol, trials.test), np.maximum(trials.enrol, trials.test)
    pairs = low.astype(np.int64) * len(ids) + high
    ordered = np.sort(pairs)
    repeated = int(np.count_nonzero(np.diff(ordered) == 0))
    del ordered
    if repeated:
        _refuse_repeated_pairs(trials, pairs, ids, where, repeats)
    return repeated


def _refuse_repeated_pairs(
    trials: TrialList, pairs: NDArray[np.int64], ids: Sequence[str], where: object, repeats: bool
) -> None:
    """Raise DataError for the first pair that has two labels or, unless ``repeats``, that occurs twice."""
    order = np.argsort(pairs, kind="stable")
    is_repeated = np.diff(pairs[order]) == 0
    if trials.labels is not None:
        differs = is_repeated & (np.diff(trials.labels[order].astype(np.int8)) != 0)
        if differs.any():
            again, words = order[1:][differs].min(), ("non-target", "target")
            first = np.flatnonzero((pairs == pairs[again]) & (trials.labels != trials.labels[again]))[0]
            names = f"{ids[trials.enrol[again]]} and {ids[trials.test[again]]}"
            labels = [words[trials.labels[place]] for place in (again, first)]
            got = f"{names} as {labels[0]}, as {labels[1]} in line {first + 1}"
            raise DataError("a pair with two labels", got=got, expected="one label", where=_name_line(where, again + 1))
    if not repeats:
        again = order[1:][is_repeated].min()
        first = np.flatnonzero(pairs == pairs[again])[0]
        got = f"{ids[trials.enrol[again]]} and {ids[trials.test[again]]} as in line {first + 1}"
        raise DataError("a pair twice", got=got, expected="each pair once", where=_name_line(where, again + 1))


def format_trial_list(trials: TrialList, ids: Sequence[str], form: Form) -> Iterator[str]:
    """Yield the lines of a list, each with its end. Raises DataError for a form with labels and a list without.

    Example:
        >>> trials = TrialList(np.array([0]), np.array([1]), np.array([1], dtype=np.uint8))
        >>> list(format_trial_list(trials, ("a", "b"), "label first"))
        ['1 a b\\n']
    """
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
    """Return a zip of score files: one score per line, in the order of the list, higher for the same speaker.

    The same scores give the same bytes, and every score reads back as the same float32.

    Source: the rules of the TidyVoice challenge 2026, whose submission is one zip with the scores of both evaluation
    lists and nothing else.

    Args:
        scores: Scores [n] by name of the file.

    Raises:
        DataError: A score is not finite.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(scores):
            if not np.isfinite(scores[name]).all():
                raise DataError("no score", got="NaN or infinity", expected="finite scores", where=name)
            entry = zipfile.ZipInfo(name)  # its default date is 1980, so that bytes do not depend on the time
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, "".join(f"{score:.9g}\n" for score in scores[name].tolist()))
    return content.getvalue()


def _read_blocks(
    lines: Iterable[str], indices: Mapping[str, int], form: Form, path: Path
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]]:
    start, names, known = 0, COLUMNS[form], LABELS[form]
    remaining = iter(lines)
    while block := list(islice(remaining, BLOCK)):
        if not block[-1].strip() and next(remaining, None) is None:
            block.pop()
        columns = _split_columns(block, len(names))
        if columns is None:
            _raise_first_error(block, start, indices, form, path)
        elif block:
            by_name = dict(zip(names, columns, strict=True))
            enrol, test = (_look_up(by_name[side], indices) for side in ("enrol", "test"))
            labels = _look_up(by_name.get("label", []), known)
            if min(enrol.min(), test.min(), labels.min(initial=0)) < 0:
                _raise_first_error(block, start, indices, form, path)
            yield enrol, test, labels.astype(np.uint8)
        start += len(block)


def _split_columns(block: Sequence[str], width: int) -> list[Sequence[str]] | None:
    """Split lines into columns; None where a line does not have ``width`` of them."""
    text = "".join(block)
    plain = text.isascii() and not any(space in text for space in SPACES)
    if plain and set(map(str.count, block, repeat(" "))) <= {width - 1}:  # none has more columns, so none has less
        tokens = text.split()
        if len(tokens) == width * len(block):
            return [tokens[column::width] for column in range(width)]
    split_lines = list(map(str.split, block))
    if set(map(len, split_lines)) - {width}:
        return None
    return [[line[column] for line in split_lines] for column in range(width)]


def _look_up(tokens: Sequence[str], known: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the values [n] of tokens, -1 for unknown ones."""
    try:
        return np.fromiter(map(known.__getitem__, tokens), np.int32, len(tokens))
    except KeyError:
        return np.array([known.get(token, -1) for token in tokens], dtype=np.int32)


def _raise_first_error(block: Sequence[str], start: int, indices: Mapping[str, int], form: Form, path: Path) -> None:
    """Raise the error of the first faulty line."""
    for number, fields in enumerate(map(str.split, block), start + 1):
        where = _name_line(path, number)
        if len(fields) != len(COLUMNS[form]):
            expected = " ".join(COLUMNS[form])
            raise DataError("no trial", got=" ".join(fields) or "an empty line", expected=expected, where=where)
        by_name = dict(zip(COLUMNS[form], fields, strict=True))
        if by_name.get("label") is not None and by_name["label"] not in LABELS[form]:
            raise DataError("unknown label", got=by_name["label"], expected=" or ".join(LABELS[form]), where=where)
        for side in ("enrol", "test"):
            if by_name[side] not in indices:
                expected = f"one of {len(indices)} utterances with an embedding"
                raise DataError("unknown utterance", got=by_name[side], expected=expected, where=where)


def _name_line(where: object, number: int) -> str:
    return f"{where}, line {number}"
