"""A record's shards in a folder: fetched once, by one process, and the same bytes ever after.

``manifest.json`` in the folder says what every file is: ``{name: {bytes, md5, sha256, samples, record}}``. The sizes
and md5 digests of a whole record enter when the server is first asked, a file's sha256 and number of samples when the
file is first seen complete; from then on any difference is an error. A file that is still on its way is called
``.<name>.part``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from bench.audio import manifest
from bench.audio.manifest import Recorded
from bench.audio.web import Manners, Session
from bench.audio.zenodo import FileToFetch, download, held, listing
from bench.types import DataError

ZENODO = "https://zenodo.org"
Progress = Callable[[int], None]


def silent(_: int) -> None:
    """No progress shown."""


def plan(
    record: str,
    patterns: Sequence[str],
    folder: Path,
    *,
    base_url: str = ZENODO,
    offline: bool = False,
    manners: Manners | None = None,
) -> tuple[FileToFetch, ...]:
    """What ``fetch`` would bring, sorted by name; writes nothing. The server is asked unless the manifest knows.

    Raises DataError as ``fetch`` does; ``offline`` alone is none as long as the manifest knows the record.
    """
    found = _listed(record, patterns, folder, base_url, offline, Session(manners or Manners()))
    files = _picked(found, patterns, f"record {record}")
    return tuple(file for file in files if not (folder / file.name).exists())


def fetch(
    record: str,
    patterns: Sequence[str],
    folder: Path,
    *,
    base_url: str = ZENODO,
    offline: bool = False,
    parallel: int = 4,
    progress: Progress = silent,
    deep: bool = True,
    manners: Manners | None = None,
) -> list[Path]:
    """The files of a Zenodo record that match ``patterns``, in ``folder``: kept where right, fetched where missing.

    ``progress`` is told by how many bytes the folder has grown (less than 0 when a file starts again); the sum over a
    call is that of ``plan`` before it. ``deep=False`` compares only the size of a file whose sha256 is recorded, for
    a caller that compares the digest itself. No request is made when nothing is missing and the manifest knows.

    Returns paths sorted by name. Raises DataError when a file is missing and ``offline``, differs from the record or
    from the manifest, does not arrive, or would not fit on the disk; what has arrived is kept and gone on from.
    """
    session = Session(manners or Manners())
    found = _listed(record, patterns, folder, base_url, offline, session)
    files = _picked(found, patterns, f"record {record}")
    missing = [file for file in files if not (folder / file.name).exists()]
    if missing and offline:
        raise _forbidden(missing, folder)
    if any(not file.url for file in missing):
        found = listing(record, base_url, session)
        files = _picked(found, patterns, f"record {record}")
    if any(file.url for file in found):
        _remember(found, record, folder)
    _check_room(missing, folder)
    lock = threading.Lock()

    def told(grown: int) -> None:
        with lock:
            progress(grown)

    settle = partial(_settle, folder=folder, session=session, progress=told, deep=deep)
    _together(settle, files, session, parallel)
    return [folder / file.name for file in files]


def complete(patterns: Sequence[str], folder: Path) -> bool:
    """Whether every pattern has a file here and no file that the manifest knows of is missing; asks no server."""
    here = [path.name for path in folder.glob("*") if path.is_file()]
    return not gone(patterns, folder) and all(any(fnmatchcase(name, pattern) for name in here) for pattern in patterns)


def gone(patterns: Sequence[str], folder: Path) -> list[str]:
    """Names of the files that match and that the manifest knows of, but that are not in the folder."""
    return [name for name in sorted(manifest.recorded(folder)) if _any(name, patterns) and not (folder / name).exists()]


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _listed(
    record: str, patterns: Sequence[str], folder: Path, base_url: str, offline: bool, session: Session
) -> tuple[FileToFetch, ...]:
    """The record's files: as first recorded, else as the server says, else (offline) what the folder holds."""
    entries = manifest.recorded(folder)
    known = {name: entry for name, entry in entries.items() if entry.record == record}
    if known:
        return tuple(FileToFetch(name, entry.bytes, entry.md5 or "") for name, entry in known.items())
    if not offline:
        return listing(record, base_url, session)
    here = [path for path in folder.glob("*") if path.is_file()]
    for pattern in patterns:
        if not any(fnmatchcase(path.name, pattern) for path in here):
            raise _forbidden([FileToFetch(pattern, -1, "")], folder)
    return tuple(FileToFetch(path.name, path.stat().st_size, "") for path in here)


def _picked(files: Sequence[FileToFetch], patterns: Sequence[str], where: str) -> list[FileToFetch]:
    for pattern in patterns:
        if not any(fnmatchcase(file.name, pattern) for file in files):
            got = sorted(file.name for file in files)[:8]
            raise DataError("record has no such file", got=got, expected=pattern, where=where)
    picked = [file for file in files if _any(file.name, patterns)]
    for file in picked:
        if _reserved(file.name):
            raise DataError("reserved file name", got=file.name, expected="no hidden file, no manifest", where=where)
    return sorted(picked, key=lambda file: file.name)


def _reserved(name: str) -> bool:
    return name.startswith(".") or name == manifest.NAME


def _remember(files: Sequence[FileToFetch], record: str, folder: Path) -> None:
    """Record what the server says of all files of the record, which must be what it said before."""
    said = {file.name: Recorded(file.bytes, file.md5, record=record) for file in files if not _reserved(file.name)}
    before = {name for name, entry in manifest.recorded(folder).items() if entry.record == record}
    if before and before != set(said):
        got = f"new: {sorted(set(said) - before)}, gone: {sorted(before - set(said))}"
        raise DataError("record has changed", got=got, expected="the same files", where=folder)
    manifest.note(folder, said)


def _forbidden(missing: Sequence[FileToFetch], folder: Path) -> DataError:
    names = [file.name + (f" ({_megabytes(file.bytes)})" if file.bytes >= 0 else "") for file in missing]
    got = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    expected = "every file in the folder, as --offline forbids fetching"
    return DataError("shards missing", got=f"no {got}", expected=expected, where=folder)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _check_room(missing: Sequence[FileToFetch], folder: Path) -> None:
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError("cannot write", got=got, expected="a folder for shards", where=folder) from error
    needed = sum(file.bytes - min(file.bytes, held(_part(folder, file))) for file in missing)
    if needed > free:
        got, expected = f"{_megabytes(free)} free", f"{_megabytes(needed)} for {len(missing)} files"
        raise DataError("disk is too full", got=got, expected=expected, where=folder)


def _part(folder: Path, file: FileToFetch) -> Path:
    return folder / f".{file.name}.part"


def _together(
    settle: Callable[[FileToFetch], None], files: Sequence[FileToFetch], session: Session, parallel: int
) -> None:
    """Settle files in threads; the first failure (or an interrupt) stops the others and is raised."""
    with ThreadPoolExecutor(max(1, parallel)) as pool:
        futures = [pool.submit(settle, file) for file in files]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            session.stop()
            for future in futures:
                future.cancel()
            raise


def _settle(file: FileToFetch, folder: Path, session: Session, progress: Progress, deep: bool) -> None:
    """Check the file if it is here, else bring it, unless another process did while this one waited for the lock."""
    path = folder / file.name
    if not path.exists():
        with _held(folder / manifest.LOCKS / f"{file.name}.lock", session):
            if not path.exists():
                _bring(file, folder, session, progress)
                return
        progress(file.bytes)
    _check(file, path, session, deep)


@contextlib.contextmanager
def _held(path: Path, session: Session) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path))
    while True:
        session.check()
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=1.0)
            break
    try:
        yield
    finally:
        lock.release()


def _check(file: FileToFetch, path: Path, session: Session, deep: bool) -> None:
    session.check()
    size = path.stat().st_size
    if size != file.bytes:
        expected = f"{file.bytes} bytes; remove it to fetch it again"
        raise DataError("file differs from the record", got=f"{size} bytes", expected=expected, where=path)
    before = manifest.recorded(path.parent).get(file.name)
    if not deep and before is not None and before.sha256 is not None:
        return
    facts = manifest.facts(path, known=before)
    if file.md5 and facts.md5 != file.md5:
        expected = f"{file.md5}; remove it to fetch it again"
        raise DataError("file differs from the record", got=f"md5 {facts.md5}", expected=expected, where=path)
    manifest.note(path.parent, {file.name: facts})


def _bring(file: FileToFetch, folder: Path, session: Session, progress: Progress) -> None:
    part, shown = _part(folder, file), 0

    def at(size: int) -> None:
        nonlocal shown
        progress(size - shown)
        shown = size

    for last in (False, True):
        download(file, part, session, at)
        facts = manifest.facts(part, name=file.name)
        if facts.md5 == file.md5:
            break
        part.unlink()  # also when only the resumed beginning was bad
        at(0)
        if last:
            raise DataError("download is corrupt", got=f"md5 {facts.md5}", expected=file.md5, where=file.url)
    manifest.agree(folder, {file.name: facts})
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(folder / file.name)
    manifest.note(folder, {file.name: facts})
