"""Hugging Face dataset repositories as mirrors: the same shards, one folder per task, in place of Zenodo.

Source: the hub's HTTP API as its client ``huggingface_hub`` speaks it: ``/api/datasets/{repo}/revision/{revision}``
gives the commit, ``/api/datasets/{repo}/tree/{commit}/{folder}`` the files, each with its size and, where it is
stored by LFS, its sha256; ``/datasets/{repo}/resolve/{commit}/{path}`` the bytes. A branch or tag is resolved to its
commit first, so that a listing and the files fetched by it are of one state, which the manifest names.
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
    """A dataset repository; the shards are in the first of ``folders`` that exists."""

    repo: str  # owner/name
    revision: str = "main"  # branch, tag or commit
    folders: tuple[str, ...] = ("",)  # "" is the root

    @property
    def pinned(self) -> bool:
        """True for a revision that is a commit, which never changes."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}:{'|'.join(self.folders)}"


def parse_mirror(text: str) -> Mirror:
    """Parse ``OWNER/REPO[@REVISION][:FOLDER]``. Raises ChoiceError for any other text.

    Example:
        >>> parse_mirror("owner/shards@v2:esc50")
        Mirror(repo='owner/shards', revision='v2', folders=('esc50',))
    """
    match = _TEXT.fullmatch(text)
    parts = (match[2] or "", match[3] or "") if match else ()
    if match is None or any(piece in {".", ".."} for part in parts for piece in part.split("/")):
        expected = "OWNER/REPO[@REVISION][:FOLDER]"
        raise ChoiceError("not a dataset repository", got=repr(text), expected=expected, where="Hugging Face")
    return Mirror(match[1], match[2] or "main", ((match[3] or "").strip("/"),))


def get_hub_url() -> str:
    """Return the address of the hub: HF_ENDPOINT where that is set, as for its own client."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def list_files(mirror: Mirror, base_url: str, session: Session, records: Iterable[str]) -> tuple[RemoteFile, ...]:
    """Ask the server for the files of the first of the mirror's folders that exists.

    Args:
        mirror: Repository, revision and folders.
        base_url: Address of the hub.
        session: The requests of this fetch.
        records: Records that a manifest names; a commit of this mirror among them is used again.

    Raises:
        DataError: The answer is malformed, or there is no such folder.
    """
    if not mirror.pinned:
        mirror = replace(mirror, revision=_resolve_commit(mirror, base_url, session, records))
    for folder in mirror.folders:
        quoted = urllib.parse.quote(f"{mirror.repo}/tree/{mirror.revision}/{folder}".rstrip("/"))
        try:
            entries = _read_pages(f"{base_url}/api/datasets/{quoted}?recursive=false", session)
        except RefusedError as error:
            if error.status == 404:
                continue
            raise
        return parse_files(entries, replace(mirror, folders=(folder,)), base_url)
    got = f"none of the folders {', '.join(mirror.folders)}"
    expected = "a folder of shards named as the task"
    raise DataError("mirror has no such folder", got=got, expected=expected, where=f"{base_url}/datasets/{mirror.repo}")


def _resolve_commit(mirror: Mirror, base_url: str, session: Session, records: Iterable[str]) -> str:
    for record in records:
        if match := re.fullmatch(rf"hf:{re.escape(mirror.repo)}@([0-9a-f]{{40}}):.*", record):
            return match[1]
    url = f"{base_url}/api/datasets/{mirror.repo}/revision/{urllib.parse.quote(mirror.revision, safe='')}"
    answer, _ = session.read_json(url, "not a repository")
    commit = answer.get("sha") if isinstance(answer, dict) else None
    if not isinstance(commit, str) or not replace(mirror, revision=commit).pinned:
        raise DataError("not a repository", got=repr(commit), expected="the commit of a revision", where=url)
    return commit


def _read_pages(url: str, session: Session) -> list[Any]:
    entries: list[Any] = []
    for _ in range(MOST_PAGES):
        page, headers = session.read_json(url, "not a folder")
        if not isinstance(page, list):
            raise DataError("not a folder", got=type(page).__name__, expected="a list of files", where=url)
        entries += page
        next_link = re.search(r'<([^<>]+)>\s*;\s*rel="next"', headers.get("Link") or "")
        if next_link is None:
            return entries
        url = urllib.parse.urljoin(url, next_link[1])
    raise DataError("folder without an end", got=f"{MOST_PAGES} pages", expected="fewer", where=url)


def parse_files(entries: list[Any], mirror: Mirror, base_url: str) -> tuple[RemoteFile, ...]:
    """Parse the listing of a pinned mirror's one folder. Raises DataError for entries not as the hub documents them."""
    (folder,) = mirror.folders
    files = []
    for entry in entries:
        match entry:
            case {"type": "file", "path": str(path), "size": int(size)} if size >= 0:
                name, lfs = path.rpartition("/")[2], entry.get("lfs")
                digest = str(lfs.get("oid", "")) if isinstance(lfs, dict) else ""
                if path != f"{folder}/{name}".lstrip("/") or not is_safe_name(name):
                    expected = f"a name in {folder or 'the root'}"
                    raise DataError("unsafe file name", got=repr(path), expected=expected, where=str(mirror))
                url = f"{base_url}/datasets/{urllib.parse.quote(f'{mirror.repo}/resolve/{mirror.revision}/{path}')}"
                sha256 = digest if re.fullmatch(r"[0-9a-f]{64}", digest) else ""
                files.append(RemoteFile(name, size, "", url, sha256, str(mirror)))
            case {"type": "directory"}:
                continue
            case _:
                expected = "type, path and size"
                raise DataError("bad file of a mirror", got=repr(entry)[:120], expected=expected, where=str(mirror))
    if not files or len({file.name for file in files}) < len(files):
        got = sorted(file.name for file in files)[:8]
        raise DataError("bad folder of a mirror", got=got, expected="files, each once", where=str(mirror))
    return tuple(files)
