"""All file operations of the store, on a local folder.

What lives here: atomic and durable writes, listings, ages, removal. Object storage means a second class of this shape.
What does not: what the files mean (`layout`, `manifests`, `parquet`).
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from codeio_assets.store.errors import StoreError

TEMPORARY = ".tmp-"
"""Every name that the store makes and has not finished with begins so; garbage collection may remove it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPEN_ATTEMPTS = 5


class HashingFile(io.RawIOBase):
    """A write-only file that hashes and counts what passes through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes_written = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: "bytes | memoryview") -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write and hash."""
        view = memoryview(data)
        self._file.write(view)
        self._hash.update(view)
        self.bytes_written += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return the position, which is the end."""
        return self.bytes_written

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if not self._file.closed:
            self._file.flush()

    @property
    def sha256(self) -> str:
        """Hash of everything written so far, 64 hex digits."""
        return self._hash.hexdigest()


class Blobs:
    """Files below one root, by relative names with `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Return where a file is, for a reader that opens it itself."""
        return self.root / name

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            FileNotFoundError: there is none.
        """
        return self.path(name).read_bytes()

    def signature(self, name: str) -> tuple[int, int, int] | None:
        """Return (inode, mtime in ns, bytes) of a file, None when there is none."""
        try:
            status = self.path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None when there is none."""
        signature = self.signature(name)
        return signature[2] if signature else None

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in a folder, temporary ones left out; empty when there is no such folder."""
        try:
            with os.scandir(self.path(folder)) as entries:
                return sorted(entry.name for entry in entries if not entry.name.startswith(TEMPORARY))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, folder: str) -> list[str]:
        """Return the names of the files in a folder itself, temporary ones too."""
        try:
            return sorted(path.name for path in self.path(folder).iterdir() if path.is_file())
        except FileNotFoundError:
            return []

    def walk(self, folder: str) -> Iterator[str]:
        """Yield every file below a folder, temporary ones too. Links are neither followed nor yielded."""
        for parent, _, files in os.walk(self.path(folder)):
            for file in files:
                path = Path(parent, file)
                if not path.is_symlink():
                    yield path.relative_to(self.root).as_posix()

    def put(self, name: str, data: bytes) -> None:
        """Replace a file in one step, durably.

        Raises:
            StoreError: the disk is full or the place not writable; the old content stays.
        """
        write_atomically(self.path(name), data)

    @contextmanager
    def staged(self, folder: str) -> Generator["StagedFile"]:
        """Open a temporary file in a folder; it is gone afterwards unless it was published.

        Raises:
            StoreError: the disk is full or the place not writable.
        """
        with _told_where(self.path(folder)), _temporary(self.path(folder)) as (temporary, file):
            yield StagedFile(temporary, file)

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is none.

        Raises:
            StoreError: the place is not writable.
        """
        path = self.path(name)
        with _told_where(path.parent):
            path.unlink(missing_ok=True)

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold an exclusive lock for the time of a block; it is let go when the process dies.

        Raises:
            StoreError: the place is not writable.
        """
        path = self.path(name)
        with _told_where(path.parent):
            _make_folder(path.parent)
            file = path.open("ab")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def touch(self, name: str) -> bool:
        """Make a file young again, which spares it for another grace period; False when there is none.

        Raises:
            StoreError: the place is not writable.
        """
        path = self.path(name)
        with _told_where(path.parent), contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return True
        return False

    def remove_if_old(self, name: str, cutoff: float) -> bool:
        """Remove a file not modified since `cutoff` (seconds since the epoch).

        It is renamed first and looked at again, so that one that a writer has just made young comes back.

        Raises:
            StoreError: the place is not writable.
        """
        path = self.path(name)
        aside = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with _told_where(path.parent), contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime > cutoff:
                return False
            path.rename(aside)
            young = aside.stat().st_mtime > cutoff
            if young:
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(aside)
            aside.unlink()
            return not young
        return False

    def prune(self, folder: str) -> None:
        """Remove the empty folders below a folder. Writers make them again when they need them."""
        for parent, _, _ in os.walk(self.path(folder), topdown=False):
            if Path(parent) != self.path(folder):
                with contextlib.suppress(OSError):  # not empty
                    Path(parent).rmdir()


class StagedFile:
    """A file that is being written under a temporary name."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._raw = file
        self.file = HashingFile(file)

    def publish(self, name: str) -> None:
        """Give the file its name in the same folder, durably. An equal file of that name stays, made young."""
        _sync_file(self._raw)
        target = self._path.with_name(name)
        if sha256_of(target) == self.file.sha256:
            with contextlib.suppress(FileNotFoundError):
                os.utime(target)
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
    return StoreError(
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


def sha256_of(path: Path) -> str | None:
    """Return the hash of a file, 64 hex digits; None when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
