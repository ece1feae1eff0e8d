"""A record's shards in a folder: fetched once, by one process, and the same bytes ever after.

A record is one of Zenodo's, or a mirror that stands in for it.

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
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from bench.datasets import manifest
from bench.datasets.hugging_face import Mirror
from bench.datasets.records import (
    build_offline_error,
    format_megabytes,
    list_record_files,
    request_record_files,
    save_listing,
    select_files,
)
from bench.datasets.web import RetryPolicy, Session
from bench.datasets.zenodo import RemoteFile, count_part_bytes, download
from bench.types import DataError

Progress = Callable[[int], None]


def ignore_progress(_: int) -> None:
    """No progress shown."""


def plan_downloads(
    record: str | Mirror,
    patterns: Sequence[str],
    folder: Path,
    *,
    base_url: str | None = None,
    offline: bool = False,
    manners: RetryPolicy | None = None,
) -> tuple[RemoteFile, ...]:
    """What ``fetch`` would bring, sorted by name; writes nothing. The server is asked unless the manifest knows.

    Raises DataError as ``fetch`` does; ``offline`` alone is none as long as the manifest knows the record.
    """
    found = list_record_files(record, patterns, folder, base_url, offline, Session(manners or RetryPolicy()))
    files = select_files(found, patterns, f"record {record}")
    return tuple(file for file in files if not (folder / file.name).exists())


def fetch_files(
    record: str | Mirror,
    patterns: Sequence[str],
    folder: Path,
    *,
    base_url: str | None = None,
    offline: bool = False,
    parallel: int = 4,
    progress: Progress = ignore_progress,
    deep: bool = True,
    manners: RetryPolicy | None = None,
) -> list[Path]:
    """The files of a record that match ``patterns``, in ``folder``: kept where right, fetched where missing.

    ``progress`` is told by how many bytes the folder has grown (less than 0 when a file starts again); the sum over a
    call is that of ``plan`` before it. ``deep=False`` compares only the size of a file whose sha256 is recorded, for
    a caller that compares the digest itself. No request is made when nothing is missing and the manifest knows.

    Returns paths sorted by name. Raises DataError when a file is missing and ``offline``, differs from the record or
    from the manifest, does not arrive, or would not fit on the disk; what has arrived is kept and gone on from.
    """
    session = Session(manners or RetryPolicy())
    found = list_record_files(record, patterns, folder, base_url, offline, session)
    files = select_files(found, patterns, f"record {record}")
    missing = [file for file in files if not (folder / file.name).exists()]
    if missing and offline:
        raise build_offline_error(missing, folder)
    if any(not file.url for file in missing) or (not offline and _unverifiable(files, folder)):
        found = request_record_files(record, folder, base_url, session)
        files = select_files(found, patterns, f"record {record}")
    if any(file.url for file in found):
        save_listing(found, patterns, folder)
    _check_room(missing, folder)
    lock = threading.Lock()

    def told(grown: int) -> None:
        with lock:
            progress(grown)

    settle = partial(_settle, folder=folder, session=session, progress=told, deep=deep)
    _together(settle, files, session, parallel)
    return [folder / file.name for file in files]


def _unverifiable(files: Sequence[RemoteFile], folder: Path) -> bool:
    """Whether a file is here of which nobody, not even the manifest, has told a checksum yet."""
    known = {name for name, entry in manifest.read_manifest(folder).items() if entry.sha256}
    return any(not (file.md5 or file.sha256 or file.name in known) for file in files)


def _check_room(missing: Sequence[RemoteFile], folder: Path) -> None:
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError("cannot write", got=got, expected="a folder for shards", where=folder) from error
    needed = sum(file.bytes - min(file.bytes, count_part_bytes(_part(folder, file))) for file in missing)
    if needed > free:
        got, expected = f"{format_megabytes(free)} free", f"{format_megabytes(needed)} for {len(missing)} files"
        raise DataError("disk is too full", got=got, expected=expected, where=folder)


def _part(folder: Path, file: RemoteFile) -> Path:
    return folder / f".{file.name}.part"


def _together(
    settle: Callable[[RemoteFile], None], files: Sequence[RemoteFile], session: Session, parallel: int
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


def _settle(file: RemoteFile, folder: Path, session: Session, progress: Progress, deep: bool) -> None:
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


def _check(file: RemoteFile, path: Path, session: Session, deep: bool) -> None:
    session.check()
    size = path.stat().st_size
    if size != file.bytes:
        expected = f"{file.bytes} bytes; remove it to fetch it again"
        raise DataError("file differs from the record", got=f"{size} bytes", expected=expected, where=path)
    before = manifest.read_manifest(path.parent).get(file.name)
    if not deep and before is not None and before.sha256 is not None:
        return
    facts = manifest.measure_file(path, known=before)
    if different := file.difference(facts.md5, facts.sha256):
        expected = f"{different[1]}; remove it to fetch it again"
        raise DataError("file differs from the record", got=different[0], expected=expected, where=path)
    manifest.update_manifest(path.parent, {file.name: facts})


def _bring(file: RemoteFile, folder: Path, session: Session, progress: Progress) -> None:
    part, shown = _part(folder, file), 0

    def at(size: int) -> None:
        nonlocal shown
        progress(size - shown)
        shown = size

    for last in (False, True):
        download(file, part, session, at)
        facts = manifest.measure_file(part, name=file.name)
        different = file.difference(facts.md5, facts.sha256)
        if different is None:
            break
        part.unlink()  # also when only the resumed beginning was bad
        at(0)
        if last:
            raise DataError("download is corrupt", got=different[0], expected=different[1], where=file.url)
    manifest.merge_entries(folder, {file.name: facts})
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(folder / file.name)
    manifest.update_manifest(folder, {file.name: facts})
