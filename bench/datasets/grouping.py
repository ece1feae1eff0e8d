"""Put the members of a shard together to samples; every member is part of one, of an ignored kind, or an error.

Ignored and counted are folders, extended headers, AppleDouble files (``._name``), webdataset's metadata (``__name__``)
and files that are neither audio nor sidecar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.datasets.tar import EXTENDED, FILE, FOLDER, HARD_LINK, LABEL, Member, show_name
from bench.types import DataError

AUDIO_EXTENSIONS = ("flac", "wav", "ogg", "opus", "mp3")
SIDECAR_EXTENSION = "json"

_PLAIN_KINDS = {FOLDER: "folders", EXTENDED: "extended headers", LABEL: "volume labels"}
_MOST_SHOWN = 8


class Pair(NamedTuple):
    """The two members of a sample."""

    key: str
    audio: Member
    sidecar: Member


@dataclass(slots=True)
class Contents:
    """The number of members of a shard, by what became of them."""

    members: int = 0
    samples: int = 0
    plain: Counter[str] = field(default_factory=Counter)  # folders and headers, which hold nothing of their own
    ignored: Counter[str] = field(default_factory=Counter)  # other ignored members, by kind or suffix

    def describe_ignored(self) -> str:
        """Return the ignored members by kind, the most frequent first; "" when there are none."""
        kinds = [f"{count} {show_name(kind)}" for kind, count in self.ignored.most_common(_MOST_SHOWN)]
        return ", ".join(kinds) + (" and others" if len(self.ignored) > _MOST_SHOWN else "")


def split_name(name: str) -> tuple[str, str]:
    """Return key and suffix in lower case; the suffix is what follows the last dot of the name, "" without one.

    >>> split_name("de/take.1.FLAC")
    ('de/take.1', 'flac')
    """
    key, _, suffix = name.rpartition(".")
    if "/" in suffix or not key or key.endswith("/"):
        return name, ""
    return key, suffix.lower()


def group_members(walk: Callable[[], Iterator[Member]], path: Path, contents: Contents) -> Iterator[Pair]:
    """Yield the pairs of audio and sidecar in the order of the shard, and count its members in ``contents``.

    Args:
        walk: Returns the members from the first to the last; called again to explain an error.
        path: The shard, for messages.
        contents: Counts, complete when the iterator is exhausted.

    Raises:
        DataError: A sample lacks audio or sidecar, has two, is repeated or is spread over the shard; a member has no
            suffix or is a link or device in place of a file; there are members but no sample.
    """
    seen: set[str] = set()
    key, audio, sidecar = "", None, None
    for member in walk():
        contents.members += 1
        suffix = _classify(member, path, contents)
        if not suffix:
            continue
        own = member.name[: -len(suffix) - 1]
        if (audio or sidecar) and own != key:
            yield _finish(key, audio, sidecar, seen, walk, path)
            contents.samples += 1
            audio = sidecar = None
        key = own
        if suffix == SIDECAR_EXTENSION:
            _refuse_second(sidecar, member, path)
            sidecar = member
        else:
            _refuse_second(audio, member, path)
            audio = member
    if audio or sidecar:
        yield _finish(key, audio, sidecar, seen, walk, path)
        contents.samples += 1
    if contents.ignored and not contents.samples:
        expected = f"<key>.json beside <key>.{{{','.join(AUDIO_EXTENSIONS)}}}"
        raise DataError("no sample in shard", got=contents.describe_ignored(), expected=expected, where=path)


def _classify(member: Member, path: Path, contents: Contents) -> str:
    """Return the suffix of a sample's member; count a member of an ignored kind and return ""."""
    if plain := _PLAIN_KINDS.get(member.kind):
        contents.plain[plain] += 1
        return ""
    suffix = split_name(member.name)[1]
    base = member.name.rpartition("/")[2]
    if base.startswith("._"):
        contents.ignored["AppleDouble files (._*)"] += 1
    elif base.startswith("__") and base.endswith("__"):
        contents.ignored["metadata (__*__)"] += 1
    elif not suffix and not base.startswith("."):
        got = show_name(member.name) or "a member without a name"
        raise DataError("unknown member", got=got, expected="<key>.<extension>", where=path)
    elif suffix == SIDECAR_EXTENSION or suffix in AUDIO_EXTENSIONS:
        if member.kind not in (FILE, HARD_LINK):
            link = f" to {show_name(member.link)}" if member.link else ""
            raise DataError(
                f"member is a {member.kind}",
                got=f"{show_name(member.name)}{link}",
                expected="a file",
                where=path,
                remedy="pack the files that links name: tar --dereference",
            )
        return suffix
    else:
        contents.ignored[f".{suffix}" if suffix else "hidden files"] += 1
    return ""


def _refuse_second(first: Member | None, second: Member, path: Path) -> None:
    if first is None:
        return
    if first.name == second.name:
        got = f"{show_name(second.name)} twice"
        raise DataError("shard is corrupt", got=got, expected="each member once", where=path)
    what = "sidecar" if split_name(second.name)[1] == SIDECAR_EXTENSION else "audio file"
    where = build_place(path, split_name(second.name)[0])
    names = [show_name(first.name), show_name(second.name)]
    raise DataError(f"sample needs one {what}", got=names, expected="one", where=where)


def _finish(
    key: str,
    audio: Member | None,
    sidecar: Member | None,
    seen: set[str],
    walk: Callable[[], Iterator[Member]],
    path: Path,
) -> Pair:
    if key in seen:
        raise DataError("key comes twice", got=show_name(key), expected="unique keys", where=path)
    seen.add(key)
    if audio is None or sidecar is None:
        raise _explain_half(key, audio, walk, path)
    return Pair(key, audio, sidecar)


def _explain_half(key: str, audio: Member | None, walk: Callable[[], Iterator[Member]], path: Path) -> DataError:
    """Return the error about a sample of which one half is missing, or stands elsewhere."""
    wanted = (SIDECAR_EXTENSION,) if audio else AUDIO_EXTENSIONS
    where = build_place(path, key)
    suffixes = []
    for member in walk():
        own, suffix = split_name(member.name)
        if own == key and member.kind in (FILE, HARD_LINK):
            suffixes.append(suffix)
    if any(suffix in wanted for suffix in suffixes):
        remedy = "pack the shard again: tar --sort=name -cf SHARD.tar -C FOLDER ."
        got = f"other members between {' and '.join(suffixes)}"
        return DataError("members of a key are not adjacent", got=got, expected="adjacent", where=where, remedy=remedy)
    if audio:
        return DataError("sidecar missing", got=suffixes, expected="a .json member", where=where)
    others = [show_name(suffix) for suffix in suffixes if suffix != SIDECAR_EXTENSION]
    expected = f"one of {', '.join(AUDIO_EXTENSIONS)}"
    return DataError("sample needs one audio file", got=others or "none", expected=expected, where=where)


def build_place(path: Path, key: str) -> str:
    """Return shard and key, for messages."""
    return f"{path.name}:{show_name(key)}"
