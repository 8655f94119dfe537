"""Where a journal's segments are: in a folder of a disk, to whose files processes append.

What lives here: what a journal asks of such a place, and the folder. What does not: object storage (`objects`), what
the lines mean (`journal`).
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from codeio_assets.store.blobs import LocalBlobs
from codeio_assets.store.interface import Blobs

PARTS = "parts"
WHOLE = ""
"""The part that every reader sees: the folder itself."""
Scope = tuple[str, ...] | None
"""Parts, `<asset>/<shard>` or `WHOLE`; None is all of them."""


class Appender(Protocol):
    """What one process adds to a part."""

    @property
    def is_usable(self) -> bool:
        """Whether it is this process's, and what it wrote is still there."""
        ...

    def write(self, lines: bytes) -> tuple[Path, int]:
        """Write whole lines or nothing; return the segment and the offset at which they begin."""
        ...

    def sync(self) -> None:
        """Return when what was written before the call is durable."""
        ...

    def close(self) -> None:
        """End the segment."""
        ...


class Segments(Protocol):
    """The segments of a journal, as local files once they were fetched."""

    folder: Path
    """On this machine; of a journal in object storage what was there before."""
    pause_s: float
    """Seconds between two writes of one process, so that each has more in it."""

    @property
    def notes(self) -> Blobs:
        """Small records that are kept beside the segments."""
        ...

    def paths(self, scope: Scope = None) -> list[Path]:
        """Return the segments in the order in which they count."""
        ...

    def fetch(self, paths: Iterable[Path]) -> None:
        """See to it that segments can be opened; one that is gone is left to who opens it."""
        ...

    def parts(self) -> list[str]:
        """Return the parts that there are, `WHOLE` among them."""
        ...

    def name(self, path: Path) -> str:
        """Return a segment's name in the journal."""
        ...

    def where(self) -> str:
        """Return where the journal is, for people."""
        ...

    def last_written(self, path: Path) -> float:
        """Return a time (seconds since the epoch) after which nothing was added to a segment."""
        ...

    def appender(self, label: str, part: str) -> Appender:
        """Return a new segment of this process."""
        ...

    def locked(self, path: Path) -> AbstractContextManager[bool]:
        """Hold a segment for the time of a block, if nobody writes to it; tell whether that is so."""
        ...

    def add(self, part: str, name: str, lines: Iterator[bytes]) -> None:
        """Add a segment that is complete; none when there is no line."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a segment."""
        ...


class FolderSegments:
    """`Segments` in a folder: each process appends to files of its own, which it holds locked."""

    pause_s = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def notes(self) -> Blobs:
        """Files in the folder."""
        return LocalBlobs(self.folder)

    def paths(self, scope: Scope = None) -> list[Path]:
        """Return the segment files in the order of their names, which begin with the time of their creation."""
        within = (WHOLE, "*/*") if scope is None else scope
        found = (path for part in within for path in self.folder.glob(f"{_folder_of(part)}*.jsonl"))
        return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.name)

    def fetch(self, paths: Iterable[Path]) -> None:
        """Do nothing: they are here."""

    def parts(self) -> list[str]:
        """Return the parts that have a folder."""
        found = sorted(path for path in self.folder.glob(f"{PARTS}/*/*") if path.is_dir())
        return [WHOLE, *(path.relative_to(self.folder / PARTS).as_posix() for path in found)]

    def name(self, path: Path) -> str:
        """Return a segment's path in the folder."""
        return path.relative_to(self.folder).as_posix()

    def where(self) -> str:
        """Return the folder's path."""
        return str(self.folder)

    def last_written(self, path: Path) -> float:
        """Return the time of a file's last change."""
        return path.stat().st_mtime

    def appender(self, label: str, part: str) -> "FileAppender":
        """Create a file that no other process has.

        Raises:
            OSError: the disk is full or not writable.
        """
        return FileAppender(self.folder / _folder_of(part), label)

    @contextmanager
    def locked(self, path: Path) -> Generator[bool]:
        """Hold a file, which its writer holds while it writes."""
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def add(self, part: str, name: str, lines: Iterator[bytes]) -> None:
        """Write a file and put it in place in one step, durably."""
        folder = self.folder / _folder_of(part)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{name}.tmp"
        try:
            with temporary.open("wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            if temporary.stat().st_size:
                temporary.replace(folder / name)
                sync_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


class FileAppender:
    """A file that this process alone appends to, locked as long as it is open."""

    def __init__(self, folder: Path, label: str) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)
        self._path = folder / new_name(label)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells upkeep that the segment is being written
        sync_folder(folder)
        self._owner_pid = os.getpid()
        self._written = self._synced = 0
        self._sync_lock = threading.Lock()

    @property
    def is_usable(self) -> bool:
        """Whether it is this process's, and was not removed."""
        return self._owner_pid == os.getpid() and self._path.exists()

    def write(self, lines: bytes) -> tuple[Path, int]:
        """Append; what could not be written whole is taken back.

        Raises:
            OSError: the disk is full or not writable.
        """
        offset = self._written
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, offset)
            raise
        self._written = offset + len(lines)
        return self._path, offset

    def sync(self) -> None:
        """Wait for the disk; one fsync serves all waiting threads."""
        up_to = self._written
        with self._sync_lock:
            if self._synced < up_to:
                reached = self._written
                os.fsync(self._descriptor)
                self._synced = reached

    def close(self) -> None:
        """Close the file, which lets its lock go."""
        os.close(self._descriptor)


def new_name(label: str) -> str:
    """Return a name for a new segment: when it was made (UTC), by whom, and chance."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{label}-{secrets.token_hex(4)}.jsonl"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lines_of(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) from a byte offset on; only the last line may lack its newline."""
    with path.open("rb") as file:
        offset = file.seek(start)
        for line in file:
            yield offset, line
            offset += len(line)


def _folder_of(part: str) -> str:
    return f"{PARTS}/{part}/" if part else ""
