"""Hashing files, and hashing what is written while it is written."""

import hashlib
import io
from pathlib import Path
from typing import BinaryIO


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


def sha256_of(path: Path) -> str | None:
    """Return the hash of a file, 64 hex digits; None when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
