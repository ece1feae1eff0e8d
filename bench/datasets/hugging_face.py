"""Hugging Face: a dataset repository that holds the same shards, one folder per task, and may stand in for Zenodo.

Source: the hub's HTTP API as its client ``huggingface_hub`` speaks it: ``/api/datasets/{repo}/revision/{revision}``
gives the commit, ``/api/datasets/{repo}/tree/{commit}/{folder}`` the files, each with its size and, where it is
stored by LFS, its sha256; ``/datasets/{repo}/resolve/{commit}/{path}`` the bytes. A branch or tag is asked for its
commit first, so that a listing and what is fetched by it are of one state, which the manifest names.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bench.datasets.web import RefusedError, Session
from bench.datasets.zenodo import RemoteFile, is_safe_name
from bench.types import ChoiceError, DataError

HUB = "https://huggingface.co"
MOST_PAGES = 1000
_NAME = r"[A-Za-z0-9][\w.-]*"
_TEXT = re.compile(rf"({_NAME}/{_NAME})(?:@([\w./-]+))?(?::([\w./-]*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A dataset repository; of ``folders`` the first that it has is the one with the shards."""

    repo: str  # owner/name
    revision: str = "main"  # branch, tag or commit
    folders: tuple[str, ...] = ("",)  # "" is the root

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}:{'|'.join(self.folders)}"


def parse_mirror(text: str) -> Mirror:
    """The mirror that ``OWNER/REPO[@REVISION][:FOLDER]`` names. Raises ChoiceError when it names none."""
    match = _TEXT.fullmatch(text)
    parts = (match[2] or "", match[3] or "") if match else ()
    if match is None or any(piece in {".", ".."} for part in parts for piece in part.split("/")):
        expected = "OWNER/REPO[@REVISION][:FOLDER]"
        raise ChoiceError("not a dataset repository", got=repr(text), expected=expected, where="Hugging Face")
    return Mirror(match[1], match[2] or "main", ((match[3] or "").strip("/"),))


def get_hub_url() -> str:
    """Address of the hub: HF_ENDPOINT where that is set, as for its own client."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def list_files(where: Mirror, base_url: str, session: Session, records: Iterable[str]) -> tuple[RemoteFile, ...]:
    """The files of the first of the mirror's folders that exists, as the server says.

    ``records`` are those that a manifest names: a commit that it took from this mirror is taken again. Raises DataError
    for an answer that is none, and when there is no such folder.
    """
    where = where if where.pinned else replace(where, revision=_commit(where, base_url, session, records))
    for folder in where.folders:
        quoted = urllib.parse.quote(f"{where.repo}/tree/{where.revision}/{folder}".rstrip("/"))
        try:
            entries = _pages(f"{base_url}/api/datasets/{quoted}?recursive=false", session)
        except RefusedError as error:
            if error.status == 404:
                continue
            raise
        return parse_files(entries, replace(where, folders=(folder,)), base_url)
    got = f"none of the folders {', '.join(where.folders)}"
    expected = "a folder of shards named as the task"
    raise DataError("mirror has no such folder", got=got, expected=expected, where=f"{base_url}/datasets/{where.repo}")


def _commit(where: Mirror, base_url: str, session: Session, records: Iterable[str]) -> str:
    for record in records:
        if match := re.fullmatch(rf"hf:{re.escape(where.repo)}@([0-9a-f]{{40}}):.*", record):
            return match[1]
    url = f"{base_url}/api/datasets/{where.repo}/revision/{urllib.parse.quote(where.revision, safe='')}"
    answer, _ = session.json(url, "not a repository")
    commit = answer.get("sha") if isinstance(answer, dict) else None
    if not isinstance(commit, str) or not replace(where, revision=commit).pinned:
        raise DataError("not a repository", got=repr(commit), expected="the commit of a revision", where=url)
    return commit


def _pages(url: str, session: Session) -> list[Any]:
    entries: list[Any] = []
    for _ in range(MOST_PAGES):
        page, headers = session.json(url, "not a folder")
        if not isinstance(page, list):
            raise DataError("not a folder", got=type(page).__name__, expected="a list of files", where=url)
        entries += page
        following = re.search(r'<([^<>]+)>\s*;\s*rel="next"', headers.get("Link") or "")
        if following is None:
            return entries
        url = urllib.parse.urljoin(url, following[1])
    raise DataError("folder without an end", got=f"{MOST_PAGES} pages", expected="fewer", where=url)


def parse_files(entries: list[Any], where: Mirror, base_url: str) -> tuple[RemoteFile, ...]:
    """The files of a pinned mirror's one folder. Raises DataError for entries that are not what the hub describes."""
    (folder,), found = where.folders, []
    for entry in entries:
        match entry:
            case {"type": "file", "path": str(path), "size": int(size)} if size >= 0:
                name, lfs = path.rpartition("/")[2], entry.get("lfs")
                digest = str(lfs.get("oid", "")) if isinstance(lfs, dict) else ""
                if path != f"{folder}/{name}".lstrip("/") or not is_safe_name(name):
                    expected = f"a name in {folder or 'the root'}"
                    raise DataError("unsafe file name", got=repr(path), expected=expected, where=str(where))
                url = f"{base_url}/datasets/{urllib.parse.quote(f'{where.repo}/resolve/{where.revision}/{path}')}"
                sha256 = digest if re.fullmatch(r"[0-9a-f]{64}", digest) else ""
                found.append(RemoteFile(name, size, "", url, sha256, str(where)))
            case {"type": "directory"}:
                continue
            case _:
                expected = "type, path and size"
                raise DataError("bad file of a mirror", got=repr(entry)[:120], expected=expected, where=str(where))
    if not found or len({file.name for file in found}) < len(found):
        got = sorted(file.name for file in found)[:8]
        raise DataError("bad folder of a mirror", got=got, expected="files, each once", where=str(where))
    return tuple(found)
