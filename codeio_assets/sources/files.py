"""Opening files of strangers: regular ones, inside the folder of their source, and no more of them than is allowed.

What lives here: reading a whole file or its lines within bounds, whatever links, devices and sizes claim. What does
not: what the content means (`reading`, `conversations`, `published`).
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codeio_assets.core.settings.project import SettingsError

CHUNK_BYTES = 1 << 20


class Refused(Exception):  # noqa: N818  (a finding about a file; it becomes a rejection)
    """A file is not read; `reason` is a code of rejections."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line without its end, and where it begins; `data` is None where it takes more bytes than allowed."""

    number: int
    data: bytes | None
    sha256: str
    size_bytes: int
    offset: int


def read_within(root: Path, path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file that lies in a folder, also by its real path.

    Sizes that a file system reports are not believed: `/proc` says 0, and a file may grow while it is read.

    Raises:
        Refused: `outside_source`, `not_a_file`, `unreadable` or `too_large`.
    """
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise Refused("outside_source", "a link leads out of the source's folder")
        with _open_regular(real) as file:
            data = file.read(max_bytes + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "links lead in a circle"
        raise Refused("unreadable", str(reason)) from None
    if len(data) > max_bytes:
        raise Refused("too_large", f"more than max_bytes = {max_bytes:,}")
    return data


def _open_regular(real: Path) -> BinaryIO:
    """Open a file that is no link any more; a pipe or a device is not waited for."""
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("not_a_file", "it is a device, a pipe, a socket or a folder")
    return os.fdopen(descriptor, "rb")


def named_file(path: Path, what: str) -> Path:
    """Return a file that somebody names as a whole source: a regular one, or a link to one in its own folder.

    Raises:
        SettingsError: there is none, it is a device or a pipe, or a link leads out of its folder.
    """
    if not path.exists():
        raise SettingsError(f"{what}: the file {path} does not exist. Correct `path` in sources.yaml.")
    if not path.is_file():
        raise SettingsError(f"{what}: {path} is no regular file. Correct `path`.")
    real = path.resolve()
    if not real.is_relative_to(path.parent.resolve()):
        raise SettingsError(f"{what}: {path} is a link out of its folder, to {real}. Name that file itself.")
    return path


def lines_of(path: Path, max_bytes: int, start: int = 0) -> Iterator[FileLine]:
    """Yield the lines of a file that are not blank; of one that is too long only its hash and size.

    They are counted from byte `start` on, where one begins.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        number, offset = 0, file.seek(start)
        while piece := file.readline(max_bytes + 2):
            number, began, offset = number + 1, offset, offset + len(piece)
            if piece.endswith(b"\n") or len(piece) <= max_bytes:
                line = piece.strip()
                if line:
                    yield FileLine(number, line, hashlib.sha256(line).hexdigest(), len(line), began)
                continue
            yield _long_line(file, number, piece, began)
            offset = file.tell()


def _long_line(file: BinaryIO, number: int, piece: bytes, began: int) -> FileLine:
    """Read on to the end of a line, holding one piece at a time; blanks at its ends do not count."""
    digest, size, held = hashlib.sha256(), 0, b""
    piece = piece.lstrip()
    while piece:
        piece = held + piece
        text = piece.rstrip()
        held = piece[len(text) :][:CHUNK_BYTES]
        digest.update(text)
        size += len(text)
        piece = b"" if piece.endswith(b"\n") else file.readline(CHUNK_BYTES)
    return FileLine(number, None, digest.hexdigest(), size, began)
