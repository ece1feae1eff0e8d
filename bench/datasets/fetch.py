"""Fetch a record's shards into a folder: once, by one process, and the same bytes ever after.

A record is one of Zenodo's, or a mirror in its place.

``manifest.json`` in the folder says what every file is: ``{name: {bytes, md5, sha256, samples, record}}``. The sizes
and md5 digests of a whole record enter when the server first lists it, a file's sha256 and number of samples when the
file is first complete; from then on any difference is an error. An unfinished file is called ``.<name>.part``.
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
    """Show no progress."""


def plan_downloads(
    record: str | Mirror,
    patterns: Sequence[str],
    folder: Path,
    *,
    base_url: str | None = None,
    offline: bool = False,
    retries: RetryPolicy | None = None,
) -> tuple[RemoteFile, ...]:
    """Return the files that ``fetch_files`` would download, sorted by name; write nothing.

    The server is asked unless the manifest lists the record.

    Raises:
        DataError: As for ``fetch_files``; ``offline`` is no error as long as the manifest lists the record.
    """
    listed = list_record_files(record, patterns, folder, base_url, offline, Session(retries or RetryPolicy()))
    files = select_files(listed, patterns, f"record {record}")
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
    retries: RetryPolicy | None = None,
) -> list[Path]:
    """Return the files of a record that match ``patterns``, downloading those that ``folder`` lacks.

    No request is made when nothing is missing and the manifest lists the record.

    Args:
        record: Zenodo's id of the record, or a mirror.
        patterns: File name patterns; every one must match.
        folder: Folder of the files and of their manifest.
        base_url: Address of the server, by default the public one.
        offline: Raise instead of asking the server.
        parallel: Number of downloads at a time.
        progress: Called with the bytes by which the folder has grown (less than 0 when a file starts again). The
            numbers of a call add up to those of ``plan_downloads`` before it.
        deep: Compare the digests of files already here. False compares only the size of a file that the manifest has
            with its sha256 and the record's listing, for a caller that compares the digest itself.
        retries: How often and how patiently the server is asked.

    Returns:
        Paths, sorted by name.

    Raises:
        DataError: A file is missing and ``offline``, differs from the record or the manifest, does not arrive, or does
            not fit on the disk. What has arrived is kept, and the next call resumes from there.
    """
    session = Session(retries or RetryPolicy())
    listed = list_record_files(record, patterns, folder, base_url, offline, session)
    files = select_files(listed, patterns, f"record {record}")
    missing = [file for file in files if not (folder / file.name).exists()]
    if missing and offline:
        raise build_offline_error(missing, folder)
    if any(not file.url for file in missing) or (not offline and _has_unverifiable(files, folder)):
        listed = request_record_files(record, folder, base_url, session)
        files = select_files(listed, patterns, f"record {record}")
    if any(file.url for file in listed):
        _check_unlisted(files, folder, session, parallel)
        save_listing(listed, patterns, folder)
    _check_room(missing, folder)
    lock = threading.Lock()

    def report(grown: int) -> None:
        with lock:
            progress(grown)

    settle = partial(_settle, folder=folder, session=session, progress=report, deep=deep)
    _settle_in_parallel(settle, files, session, parallel)
    return [folder / file.name for file in files]


def _check_unlisted(files: Sequence[RemoteFile], folder: Path, session: Session, parallel: int) -> None:
    """Compare files that are here with a listing that is about to be noted: what the manifest lists was compared."""
    entries = manifest.read_manifest(folder)
    listed = {name for name, entry in entries.items() if entry.record}
    here = [file for file in files if file.name not in listed and (folder / file.name).exists()]
    _settle_in_parallel(lambda file: _check_file(file, folder / file.name, session, True), here, session, parallel)


def _has_unverifiable(files: Sequence[RemoteFile], folder: Path) -> bool:
    """Return True if a file is here whose checksum neither the listing nor the manifest has."""
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
    needed = sum(file.bytes - min(file.bytes, count_part_bytes(_get_part(folder, file))) for file in missing)
    if needed > free:
        got, expected = f"{format_megabytes(free)} free", f"{format_megabytes(needed)} for {len(missing)} files"
        raise DataError("disk is too full", got=got, expected=expected, where=folder)


def _get_part(folder: Path, file: RemoteFile) -> Path:
    return folder / f".{file.name}.part"


def _settle_in_parallel(
    settle: Callable[[RemoteFile], None], files: Sequence[RemoteFile], session: Session, parallel: int
) -> None:
    """Settle files in threads; raise the first failure (or interrupt) after stopping the others."""
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
    """Check the file if it is here, else download it, unless another process did so while this one waited."""
    path = folder / file.name
    if not path.exists():
        with _hold_lock(folder / manifest.LOCKS / f"{file.name}.lock", session):
            if not path.exists():
                _download_verified(file, folder, session, progress)
                return
        progress(file.bytes)
    _check_file(file, path, session, deep)


@contextlib.contextmanager
def _hold_lock(path: Path, session: Session) -> Iterator[None]:
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


def _check_file(file: RemoteFile, path: Path, session: Session, deep: bool) -> None:
    session.check()
    size = path.stat().st_size
    if size != file.bytes:
        expected = f"{file.bytes} bytes; remove it to fetch it again"
        raise DataError("file differs from the record", got=f"{size} bytes", expected=expected, where=path)
    before = manifest.read_manifest(path.parent).get(file.name)
    if not deep and before is not None and before.sha256 is not None:
        return
    entry = manifest.measure_file(path, known=before)
    if mismatch := file.find_mismatch(entry.md5, entry.sha256):
        expected = f"{mismatch[1]}; remove it to fetch it again"
        raise DataError("file differs from the record", got=mismatch[0], expected=expected, where=path)
    manifest.update_manifest(path.parent, {file.name: entry})


def _download_verified(file: RemoteFile, folder: Path, session: Session, progress: Progress) -> None:
    part, reported = _get_part(folder, file), 0

    def report(size: int) -> None:
        nonlocal reported
        progress(size - reported)
        reported = size

    for is_last in (False, True):
        download(file, part, session, report)
        entry = manifest.measure_file(part, name=file.name)
        mismatch = file.find_mismatch(entry.md5, entry.sha256)
        if mismatch is None:
            break
        part.unlink()  # also when only the resumed beginning was bad
        report(0)
        if is_last:
            raise DataError("download is corrupt", got=mismatch[0], expected=mismatch[1], where=file.url)
    manifest.merge_entries(folder, {file.name: entry})
    with part.open("rb") as content:
        os.fsync(content.fileno())
    part.replace(folder / file.name)
    manifest.update_manifest(folder, {file.name: entry})
