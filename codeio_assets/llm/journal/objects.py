"""A journal in object storage: each write is one immutable object, and an answer counts when its object is there.

A process that ends well puts its objects of a part into one. What an earlier release, or a project without object
storage, left in the local folder is read as well. What does not live here: the storage (`store.objects`).
"""

import contextlib
import os
import time
from calendar import timegm
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from codeio_assets.llm.journal.segments import PARTS, WHOLE, FolderSegments, Scope, new_name
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs

SHARED = "whole"
"""Folder of what every reader sees."""
_STAMP = "%Y%m%dT%H%M%S"
_UNTIL = "-until-"
_STAMP_CHARS = 15


class ObjectSegments:
    """`llm.journal.segments.Segments` in object storage, beside those of a local folder, which get no more lines."""

    pause_s = 0.25

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._local = FolderSegments(folder)
        self.folder = folder

    @property
    def notes(self) -> Blobs:
        """Records beside the objects."""
        return self._blobs

    def paths(self, scope: Scope = None) -> list[Path]:
        """Return the local paths of the objects, in the order of their times."""
        folders = (SHARED, PARTS) if scope is None else map(_folder_of, scope)
        names = (name for folder in folders for name in self._blobs.walk(folder) if name.endswith(".jsonl"))
        found = [*self._local.paths(scope), *(self._blobs.folder / name for name in names)]
        return sorted(found, key=lambda path: path.name)

    def fetch(self, paths: Iterable[Path]) -> None:
        """Bring objects into the cache."""
        self._blobs.fetch(self.name(path) for path in paths if not self._is_local(path))

    def parts(self) -> list[str]:
        """Return the parts that hold objects or local files."""
        names = (name.split("/") for name in self._blobs.walk(PARTS))
        return sorted({*self._local.parts(), *("/".join(name[1:3]) for name in names)})

    def name(self, path: Path) -> str:
        """Return an object's name, or a file's path in the local folder."""
        if self._is_local(path):
            return self._local.name(path)
        return path.relative_to(self._blobs.folder).as_posix()

    def where(self) -> str:
        """Return the journal's address."""
        return self._blobs.where("").rstrip("/")

    def last_written(self, path: Path) -> float:
        """Return the time that an object's name tells."""
        if self._is_local(path):
            return self._local.last_written(path)
        stamp = path.stem.partition(_UNTIL)[2] or path.name
        try:
            return timegm(time.strptime(stamp[:_STAMP_CHARS], _STAMP)) + 1.0
        except ValueError:
            return time.time()  # named by somebody else: it may be young

    def appender(self, label: str, part: str) -> "ObjectAppender":
        """Return what writes an object at each call."""
        return ObjectAppender(self._blobs, label, _folder_of(part))

    @contextmanager
    def locked(self, path: Path) -> Generator[bool]:
        """Tell that nobody writes to an object: none changes."""
        if self._is_local(path):
            with self._local.locked(path) as is_free:
                yield is_free
            return
        self.fetch([path])
        yield True

    def add(self, part: str, name: str, lines: Iterator[bytes]) -> None:
        """Write an object."""
        with self._blobs.staged(_folder_of(part)) as staged:
            for line in lines:
                staged.file.write(line)
            if staged.file.bytes_written:
                staged.publish(name)

    def remove(self, path: Path) -> None:
        """Remove an object, or a local file."""
        if self._is_local(path):
            self._local.remove(path)
        else:
            self._blobs.remove(self.name(path))

    def _is_local(self, path: Path) -> bool:
        return path.is_relative_to(self.folder)


class ObjectAppender:
    """The objects that one process has added to a part."""

    def __init__(self, blobs: Blobs, label: str, folder: str) -> None:
        self._blobs = blobs
        self._label = label
        self._folder = folder
        self._written: list[str] = []
        self._owner_pid = os.getpid()

    @property
    def is_usable(self) -> bool:
        """Whether it is this process's."""
        return self._owner_pid == os.getpid()

    def write(self, lines: bytes) -> tuple[Path, int]:
        """Write an object.

        Raises:
            StoreError: the storage cannot be reached.
        """
        name = new_name(self._label)
        with self._blobs.staged(self._folder) as staged:
            staged.file.write(lines)
            staged.publish(name)
        self._written.append(name)
        return self._blobs.folder / self._folder / name, 0

    def sync(self) -> None:
        """Do nothing: an object that was written is durable."""

    def close(self) -> None:
        """Put the objects that are still there into one, which has the name of the first and the time of the last.

        It is there before they go, so that a kill leaves an answer twice at most; without it they stay as they are.
        """
        if self.is_usable:
            with contextlib.suppress(StoreError):
                self._put_into_one()

    def _put_into_one(self) -> None:
        there = {name.rpartition("/")[2] for name in self._blobs.walk(self._folder)} if len(self._written) > 1 else ()
        names = [name for name in self._written if name in there]
        self._written = []
        if len(names) < 2:
            return
        self._blobs.fetch(f"{self._folder}/{name}" for name in names)
        with self._blobs.staged(self._folder) as staged:
            for name in names:
                staged.file.write((self._blobs.folder / self._folder / name).read_bytes())
            staged.publish(f"{names[0].removesuffix('.jsonl')}{_UNTIL}{names[-1][:_STAMP_CHARS]}.jsonl")
        for name in names:
            self._blobs.remove(f"{self._folder}/{name}")


def _folder_of(part: str) -> str:
    return SHARED if part == WHOLE else f"{PARTS}/{part}"
