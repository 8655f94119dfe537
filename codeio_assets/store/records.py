"""Small records of the store, parsed again only when they have changed; what is parsed is shared by the whole process.

What does not live here: the records themselves (`manifests`, `standing`), their places (`interface`).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.rollups import Rollups, Text

Record = TypeVar("Record")
KEPT_BYTES = 128 << 20
"""Of the texts of the records that a process keeps parsed."""


@dataclass(slots=True)
class _Kept:
    tag: str | None
    record: object
    size: int
    seen_at: float


class _Cache:
    """The parsed records of a process, the least lately used of which go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def get(self, key: str) -> _Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, kept: _Kept | None) -> None:
        with self._lock:
            former = self._kept.pop(key, None)
            self._bytes -= former.size if former else 0
            if kept:
                self._kept[key] = kept
                self._bytes += kept.size
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].size


_CACHE = _Cache()


def forget() -> None:
    """Forget what was parsed: a measurement begins as a new process does."""
    _CACHE.clear()


class Records(Generic[Record]):
    """Records of one kind.

    Args:
        blobs: where they are.
        parse: makes a record of its name and bytes.
        unreadable: makes the error of a record whose file cannot be read, of its name and why.
        trust_s: seconds for which `get` believes what was seen last without looking again.
        trusted: makes a record of bytes that were parsed before, without the checks that `parse` makes.
    """

    def __init__(
        self,
        blobs: Blobs,
        parse: Callable[[str, bytes], Record],
        unreadable: Callable[[str, str], StoreError],
        trust_s: float = 0.0,
        trusted: Callable[[bytes], Record] | None = None,
    ) -> None:
        self._blobs = blobs
        self._rollups = Rollups(blobs)
        self._parse = parse
        self._trusted = trusted
        self._unreadable = unreadable
        self._trust_s = trust_s

    def get(self, name: str) -> Record | None:
        """Return a record, None when there is none.

        Raises:
            StoreError: it is damaged.
        """
        kept = _CACHE.get(self._key(name))
        if kept and self._trust_s and time.monotonic() - kept.seen_at < self._trust_s:
            return kept.record  # pyright: ignore[reportReturnType]  (keys tell kinds apart)
        return self.tagged(name)[0]

    def tagged(self, name: str) -> tuple[Record | None, str | None]:
        """Return a record as it is now, and its tag; both None when there is none.

        Raises:
            StoreError: it is damaged.
        """
        kept = _CACHE.get(self._key(name))
        try:
            stored = self._blobs.get(name, kept.tag if kept else None)
        except OSError as error:
            raise self._unreadable(name, error.strerror or str(error)) from error
        if stored is None:
            self._keep(name, None, None, 0)
            return None, None
        return self._seen(name, stored.data, stored.tag), stored.tag

    def last_seen(self, name: str) -> tuple[Record | None, str | None]:
        """Return a record and its tag as this process has seen them last, for who replaces it on condition.

        Raises:
            StoreError: it was not seen before, and is damaged.
        """
        kept = _CACHE.get(self._key(name))
        return self.tagged(name) if kept is None else (kept.record, kept.tag)  # pyright: ignore[reportReturnType]

    def tag(self, name: str) -> str | None:
        """Return the tag of a record, be it damaged; None when there is none."""
        stored = self._blobs.get(name)
        return stored.tag if stored else None

    def all(self, folder: str) -> Iterator[tuple[str, Record | StoreError]]:
        """Yield the name and the record of each in a folder, in the order of names, or what is wrong with it."""
        whole: list[Text] = []
        for text in self._rollups.texts(folder):
            try:
                yield text.name.removesuffix(".json"), self._of(f"{folder}/{text.name}", text)
            except StoreError as error:
                yield text.name.removesuffix(".json"), error
            else:
                whole.append(text)
        self._rollups.keep(folder, whole)

    def put_if(self, name: str, record: Record, data: bytes, tag: str | None) -> str | None:
        """Replace a record if its tag is still the one given, and return its new tag; None when it was not."""
        written = self._blobs.put_if(name, data, tag)
        if written:
            self._keep(name, written, record, len(data))
        return written

    def remove(self, name: str) -> None:
        """Remove a record, if there is one."""
        self._blobs.remove(name)
        _CACHE.put(self._key(name), None)

    def damaged(self, folder: str) -> dict[str, StoreError]:
        """Return name -> what is wrong of the records of a folder that cannot be read."""
        found: dict[str, StoreError] = {}
        for text in self._rollups.texts(folder):
            try:
                _ = text.is_known or self._of(f"{folder}/{text.name}", text)
            except StoreError as error:
                found[text.name.removesuffix(".json")] = error
        return found

    def hashes(self, folder: str) -> dict[str, str]:
        """Return name -> a hash of each record of a folder; none is parsed."""
        return {text.name: text.tag.rpartition(" ")[2] for text in self._rollups.texts(folder)}

    def _of(self, name: str, text: Text) -> Record:
        kept = _CACHE.get(self._key(name))
        if kept is not None and kept.tag == text.tag:
            kept.seen_at = time.monotonic()
            return kept.record  # pyright: ignore[reportReturnType]
        if text.is_known and self._trusted:
            return self._trusted(text.data)
        record = self._parse(name, text.data)
        self._keep(name, text.tag, record, len(text.data))
        return record

    def _seen(self, name: str, data: bytes | None, tag: str) -> Record:
        if data is None:
            kept = _CACHE.get(self._key(name))
            if kept is not None and kept.tag == tag:
                kept.seen_at = time.monotonic()
                return kept.record  # pyright: ignore[reportReturnType]
            stored = self._blobs.get(name)  # another thread's records took its place
            data, tag = (stored.data or b"", stored.tag) if stored else (b"", "")
        record = self._parse(name, data)
        self._keep(name, tag, record, len(data))
        return record

    def _keep(self, name: str, tag: str | None, record: Record | None, size: int) -> None:
        _CACHE.put(self._key(name), _Kept(tag, record, size + 100, time.monotonic()))

    def _key(self, name: str) -> str:
        return self._blobs.where(name)
