"""What the store asks of a place that keeps files: a local folder (`blobs`), or object storage (`objects`).

Two kinds of files: immutable ones, named by their content, which readers open as local files; and small records, which
are replaced in one step if they are still what the writer has seen. No times of files are used.
What does not live here: what the files mean (`layout`, `manifests`, `parquet`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codeio_assets.store.errors import StoreError
from codeio_assets.store.hashing import HashingFile


class PlaceError(StoreError):
    """The place cannot be reached, or is none that can be used."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it is stored: the tag of its content, and its bytes, None where the reader knows them already."""

    data: bytes | None
    tag: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Bytes of a file, and a text that differs after it was written again."""

    size: int
    signature: str


class Staged(Protocol):
    """A file that is being written and has no name yet."""

    @property
    def file(self) -> HashingFile:
        """Where its bytes go."""
        ...

    def publish(self, name: str) -> None:
        """Give it its name in the folder, durably. An equal file of that name stays."""
        ...


class Blobs(Protocol):
    """Files below one root, by relative names with `/`.

    Whatever cannot be written or reached raises `StoreError`, in one line; what was committed before stays.
    """

    @property
    def folder(self) -> Path:
        """The local folder below which immutable files can be opened by their names, once they were fetched."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether every file is in `folder` all the time."""
        ...

    def where(self, name: str) -> str:
        """Return where a file is, for people."""
        ...

    def below(self, folder: str) -> "Blobs":
        """Return the files in a folder, by their names in it."""
        ...

    # -- immutable files ----------------------------------------------------------------------------------------

    def fetch(self, names: Iterable[str]) -> None:
        """See to it that files can be opened below `folder`; one that is gone is left to who opens it."""
        ...

    def drop_damaged(self, names: Iterable[str]) -> bool:
        """Drop local copies of files that are not what was written; tell whether there were any."""
        ...

    def facts(self, name: str) -> FileFacts | None:
        """Return a file's size and signature, None when there is none."""
        ...

    def sha256(self, name: str) -> str | None:
        """Return the hash of a file's bytes as they are stored, None when there is none."""
        ...

    def staged(self, folder: str) -> AbstractContextManager[Staged]:
        """Open a file in a folder that has no name yet; it is gone afterwards unless it was published."""
        ...

    # -- records ------------------------------------------------------------------------------------------------

    def get(self, name: str, unless: str | None = None) -> Stored | None:
        """Return a record, without its bytes when its tag is `unless`; None when there is none."""
        ...

    def get_all(self, folder: str, known: Callable[[str], str | None]) -> Iterator[tuple[str, Stored]]:
        """Yield the name in the folder and the record of each, sorted by name; without bytes if its tag is known."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Replace a record in one step, durably."""
        ...

    def put_if(self, name: str, data: bytes, tag: str | None) -> str | None:
        """Replace a record if its tag is still the one given, None for no record; return its new tag, or None."""
        ...

    # -- names and removal --------------------------------------------------------------------------------------

    def names(self, folder: str, prefix: str = "") -> list[str]:
        """Return the sorted names of files and folders in a folder; empty when there is no such folder."""
        ...

    def walk(self, folder: str) -> Iterator[str]:
        """Yield every file below a folder."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is none."""
        ...

    def sweep(self, before: float, *, dry_run: bool) -> Iterator[tuple[str, int]]:
        """Remove what killed writers left before a time (seconds since the epoch), and empty folders.

        Yields the name and size of each.
        """
        ...
