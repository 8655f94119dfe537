"""A bounded local cache of immutable files, shared by the processes of a machine.

Files have the names that they have in the store, and appear under them when they are complete. What was not used for
longest goes first; what was used within the last hour stays, be the cache too large or not, since somebody may be about
to open it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from codeio_assets.store import layout
from codeio_assets.store.blobs import TEMPORARY, storage_error
from codeio_assets.store.hashing import sha256_of

IN_USE_S = 3_600.0
LEFTOVER_S = 86_400.0
LOOKED_AT_EVERY = 20
"""The cache is looked over whenever a process has added this part of its bound."""

KEPT = (layout.TABLES, "journal", "reports", "checkpoints")
"""Folders of immutable files; the root may have other things in it."""


class FileCache:
    """Files below one folder.

    Args:
        folder: of the cache.
        max_bytes: of the files together.
        root: of the cache that it is a part of, and whose bound is meant.
    """

    def __init__(self, folder: Path, max_bytes: int, root: Path | None = None) -> None:
        self.folder = folder
        self._root = root or folder
        self._max_bytes = max_bytes
        self._added = max_bytes  # looked over at the first addition

    def below(self, folder: str) -> "FileCache":
        """Return the part of the cache in a folder, under the same bound."""
        return FileCache(self.folder / folder, self._max_bytes, self._root)

    def has(self, name: str) -> bool:
        """Tell whether a file is there, and keep it for the next hour."""
        try:
            os.utime(self.folder / name)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def making(self, name: str | None) -> Generator[Path]:
        """Give a path to write a file to; it takes its name after the block, or by `take` if it has none.

        Raises:
            StoreError: the disk is full or not writable.
        """
        path = self.folder / f"{TEMPORARY}{uuid4().hex}"
        try:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                yield path
                if name is not None:
                    self.take(path, name)
            except OSError as error:
                raise storage_error(self.folder, error) from error
        finally:
            path.unlink(missing_ok=True)

    def take(self, path: Path, name: str) -> None:
        """Give a finished file its name."""
        size = path.stat().st_size
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        self._added += size
        if self._added >= self._max_bytes / LOOKED_AT_EVERY:
            self._added = 0
            self._look_over()

    def drop_if_damaged(self, name: str) -> bool:
        """Remove a file whose bytes are not those of its name; tell whether it was one."""
        file, sha256 = layout.parse_table_file(name), sha256_of(self.folder / name)
        if file is None or sha256 is None or layout.version_of(sha256) == file.version:
            return False
        (self.folder / name).unlink(missing_ok=True)
        return True

    def _look_over(self) -> None:
        """Remove what was not used for longest while the cache is too large; one process at a time."""
        with (self._root / ".cache-lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            now = time.time()
            for path in (*self._root.glob(f"{TEMPORARY}*"), *self._root.glob(f"*/{TEMPORARY}*")):
                with contextlib.suppress(FileNotFoundError):
                    if now - path.stat().st_mtime > LEFTOVER_S:
                        path.unlink()
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            for used_at, size, path in files:
                if total <= self._max_bytes or now - used_at < IN_USE_S:
                    break
                path.unlink(missing_ok=True)
                total -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each file was last used, its size and its path."""
        for folder in KEPT:
            for parent, _, names in os.walk(self._root / folder):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        status = Path(parent, name).stat()
                        yield status.st_mtime, status.st_size, Path(parent, name)
