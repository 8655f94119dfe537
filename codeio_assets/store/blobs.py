"""The store's files on a local disk.

What lives here: atomic and durable writes, replacing on condition, listings, removal. What does not: what a place must
do (`interface`), object storage (`objects`), what the files mean (`layout`, `manifests`, `parquet`).
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from codeio_assets.store.errors import NoRoomError, StoreError
from codeio_assets.store.hashing import HashingFile, sha256_of
from codeio_assets.store.interface import FileFacts, Stored
from codeio_assets.store.layout import HEADS, LOCKS, MANIFESTS, PINS, SNAPSHOTS, TABLES, TOMBSTONES

TEMPORARY = ".tmp-"
"""Every name that the store makes and has not finished with begins so; garbage collection may remove it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPEN_ATTEMPTS = 5
_SETTLED_S = 1.0
_KEPT_FOLDERS = (TABLES, MANIFESTS, HEADS, SNAPSHOTS, PINS, TOMBSTONES)
LOCK_FILES = 256
"""Names share them: a lock is held for one small write."""


class LocalBlobs:
    """`interface.Blobs` on a local or shared disk."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, name: str) -> str:
        """Return a file's path."""
        return str(self._path(name))

    def below(self, folder: str) -> "LocalBlobs":
        """Return the files in a folder, by their names in it."""
        return LocalBlobs(self._path(folder))

    def fetch(self, names: Iterable[str]) -> None:
        """Do nothing: files are here."""

    def drop_damaged(self, names: Iterable[str]) -> bool:
        """Do nothing: what is here is no copy."""
        return False

    def facts(self, name: str) -> FileFacts | None:
        """Return a file's size and signature, None when there is none."""
        try:
            status = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileFacts(status.st_size, _signature(status))

    def sha256(self, name: str) -> str | None:
        """Return the hash of a file's bytes, None when there is none.

        Raises:
            OSError: it cannot be read.
        """
        return sha256_of(self._path(name))

    @contextmanager
    def staged(self, folder: str) -> Generator["StagedFile"]:
        """Open a temporary file in a folder; it is gone afterwards unless it was published.

        Raises:
            StoreError: the disk is full or the place not writable.
        """
        with _told_where(self._path(folder)), _temporary(self._path(folder)) as (temporary, file):
            yield StagedFile(temporary, file)

    def get(self, name: str, unless: str | None = None) -> Stored | None:
        """Return a record; it is not read when the file is, by its signature, the one that the tag was made of.

        Raises:
            OSError: it cannot be read.
        """
        path = self._path(name)
        try:
            signature = _signature(path.stat())
            if unless and unless.startswith(f"{signature} "):
                return Stored(None, unless)
            began, data = time.time(), path.read_bytes()
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        # A file that was changed this recently may change again within its time stamp's resolution.
        is_settled = began - status.st_mtime > _SETTLED_S and signature == _signature(status)
        return Stored(data, f"{signature if is_settled else '-'} {hashlib.sha256(data).hexdigest()}")

    def get_all(self, folder: str, known: Callable[[str], str | None]) -> Iterator[tuple[str, Stored]]:
        """Yield each record of a folder; one that cannot be read is read by `get`, which says why."""
        try:
            with os.scandir(self._path(folder)) as entries:
                found = sorted((entry.name, entry) for entry in entries if not entry.name.startswith(TEMPORARY))
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, entry in found:
            tag = known(name)
            try:
                if tag and tag.startswith(f"{_signature(entry.stat())} "):
                    yield name, Stored(None, tag)
                    continue
                stored = self.get(f"{folder}/{name}")
            except OSError:
                stored = Stored(b"", "-")
            if stored:
                yield name, stored

    def put(self, name: str, data: bytes) -> None:
        """Replace a record in one step, durably.

        Raises:
            StoreError: the disk is full or the place not writable; the old content stays.
        """
        write_atomically(self._path(name), data)

    def put_if(self, name: str, data: bytes, tag: str | None) -> str | None:
        """Replace a record if its content is still that of the tag; return its new tag, or None.

        Raises:
            StoreError: the disk is full or the place not writable; the old content stays.
        """
        with self._locked(f"{LOCKS}/{zlib.crc32(name.encode()) % LOCK_FILES:02x}"):
            there = sha256_of(self._path(name))
            if there != (tag.rpartition(" ")[2] if tag else None):
                return None
            self.put(name, data)
        return f"- {hashlib.sha256(data).hexdigest()}"

    def names(self, folder: str, prefix: str = "") -> list[str]:
        """Return the sorted names in a folder, temporary ones left out; empty when there is no such folder."""
        try:
            with os.scandir(self._path(folder)) as entries:
                found = [entry.name for entry in entries if entry.name.startswith(prefix)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in found if not name.startswith(TEMPORARY))

    def walk(self, folder: str) -> Iterator[str]:
        """Yield every file below a folder, temporary ones left out. Links are neither followed nor yielded."""
        return (name for name in self._walk(folder) if not _is_temporary(name))

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is none.

        Raises:
            StoreError: the place is not writable.
        """
        path = self._path(name)
        with _told_where(path.parent):
            path.unlink(missing_ok=True)

    def sweep(self, before: float, *, dry_run: bool) -> Iterator[tuple[str, int]]:
        """Remove temporary files of killed writers by their time, and empty folders, which writers make again.

        Raises:
            StoreError: the place is not writable.
        """
        here = (path.name for path in self.folder.iterdir() if path.is_file()) if self.folder.is_dir() else ()
        for name in (*here, *(name for folder in _KEPT_FOLDERS for name in self._walk(folder))):
            path = self._path(name)
            with _told_where(path.parent), contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if _is_temporary(name) and status.st_mtime <= before:
                    if not dry_run:
                        path.unlink()
                    yield name, status.st_size
        if not dry_run:
            for folder in _KEPT_FOLDERS:
                for parent, _, _ in os.walk(self._path(folder), topdown=False):
                    if Path(parent) != self._path(folder):
                        with contextlib.suppress(OSError):  # not empty
                            Path(parent).rmdir()

    @contextmanager
    def _locked(self, name: str) -> Generator[None]:
        """Hold an exclusive lock for the time of a block; it is let go when the process dies."""
        path = self._path(name)
        with _told_where(path.parent):
            _make_folder(path.parent)
            file = path.open("ab")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _walk(self, folder: str) -> Iterator[str]:
        for parent, _, files in os.walk(self._path(folder)):
            for file in files:
                path = Path(parent, file)
                if not path.is_symlink():
                    yield path.relative_to(self.folder).as_posix()

    def _path(self, name: str) -> Path:
        return self.folder / name


def _signature(status: os.stat_result) -> str:
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"


def _is_temporary(name: str) -> bool:
    return name.rpartition("/")[2].startswith(TEMPORARY)


class StagedFile:
    """A file that is being written under a temporary name."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._raw = file
        self.file = HashingFile(file)

    def publish(self, name: str) -> None:
        """Give the file its name in the same folder, durably. An equal file of that name stays."""
        _sync_file(self._raw)
        target = self._path.with_name(name)
        if sha256_of(target) == self.file.sha256:
            return
        self._path.replace(target)
        _sync_folder(target.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step, durably: temporary name, fsync, rename, fsync of the folder.

    Raises:
        StoreError: the disk is full or the place not writable; the old content stays.
    """
    with _told_where(path.parent), _temporary(path.parent) as (temporary, file):
        file.write(data)
        _sync_file(file)
        temporary.replace(path)
        _sync_folder(path.parent)


def replace_durably(temporary: Path, target: Path) -> None:
    """Put a finished file, written by someone else, in a target's place.

    Raises:
        StoreError: the disk is full or the place not writable.
    """
    with _told_where(target.parent):
        with temporary.open("rb+") as file:
            _sync_file(file)
        temporary.replace(target)
        _sync_folder(target.parent)


def temporary_path(folder: Path) -> Path:
    """Return an unused name that garbage collection knows as temporary, in a folder that exists afterwards."""
    with _told_where(folder):
        _make_folder(folder)
    return folder / f"{TEMPORARY}{uuid.uuid4().hex}"


def storage_error(path: Path, error: OSError) -> StoreError:
    """Return an operating system's error as ours: where, and how much room is left."""
    if error.errno not in _FULL:
        return StoreError(f"Cannot write below {path}: {error.strerror or error}. What was committed before stays.")
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free_mib = shutil.disk_usage(existing).free / 2**20
    limit = " (the process may not write files that large: `ulimit -f`)" if error.errno == errno.EFBIG else ""
    return NoRoomError(
        f"No room to write below {path}: {error.strerror}{limit}; {free_mib:,.1f} MiB are free there. What was "
        "committed before stays. Make room (`codeio gc` removes replaced versions) and run it again."
    )


@contextmanager
def _told_where(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(folder, error) from error


@contextmanager
def _temporary(folder: Path) -> Generator[tuple[Path, BinaryIO]]:
    path, file = _open_temporary(folder)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def _open_temporary(folder: Path) -> tuple[Path, BinaryIO]:
    for _ in range(_OPEN_ATTEMPTS):
        _make_folder(folder)
        path = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            return path, path.open("xb", buffering=0)
        except FileNotFoundError:  # garbage collection has just pruned the empty folder
            time.sleep(0.01)
    raise FileNotFoundError(errno.ENOENT, "the folder keeps disappearing", str(folder))


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        with contextlib.suppress(FileNotFoundError):
            _sync_folder(made.parent)


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
