"""The index of a journal in memory: 16 bytes per record, so that millions fit.

What lives here: key -> place, in two sorted arrays and a small dictionary of what came since they were merged.
What does not: files (`journal`).

A key stands as its first 64 bits. Two of a million keys share them with a probability of 3e-8; whoever reads a record
sees the whole key.
"""

from collections.abc import Iterator

import numpy as np

_OFFSET_BITS = 44
_MERGED_AT = 8_192
"""Entries outside the arrays before they are merged; a merge copies the arrays once."""


class Place(int):
    """Where a record lies: number of its segment and byte offset, in one integer."""

    @classmethod
    def of(cls, segment: int, offset: int) -> "Place":
        """Return the place of an offset in a segment."""
        return cls(segment << _OFFSET_BITS | offset)

    @property
    def segment(self) -> int:
        """Number of the segment."""
        return int(self) >> _OFFSET_BITS

    @property
    def offset(self) -> int:
        """Byte offset of the line."""
        return int(self) & ((1 << _OFFSET_BITS) - 1)


class PlaceIndex:
    """A mapping from keys (64 hex digits) to places."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._places = np.empty(0, np.uint64)
        self._recent: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> Place | None:
        """Return the place of a key, None when it has none."""
        short = int(key[:16], 16)
        place = self._recent.get(short)
        if place is not None:
            return Place(place)
        at = self._position(short)
        return None if at is None else Place(int(self._places[at]))

    def put(self, key: str, place: Place) -> None:
        """Set the place of a key."""
        short = int(key[:16], 16)
        at = self._position(short)
        if at is not None:
            self._places[at] = int(place)
            return
        self._count += short not in self._recent
        self._recent[short] = int(place)
        if len(self._recent) >= _MERGED_AT:
            self._merge()

    def places(self) -> Iterator[Place]:
        """Yield all places, in the order of segments and offsets."""
        self._merge()
        yield from (Place(int(place)) for place in np.sort(self._places))

    def _position(self, short: int) -> int | None:
        at = int(np.searchsorted(self._keys, np.uint64(short)))
        return at if at < len(self._keys) and int(self._keys[at]) == short else None

    def _merge(self) -> None:
        if not self._recent:
            return
        keys = np.concatenate([self._keys, np.fromiter(self._recent.keys(), np.uint64, len(self._recent))])
        places = np.concatenate([self._places, np.fromiter(self._recent.values(), np.uint64, len(self._recent))])
        order = np.argsort(keys, kind="stable")
        self._keys, self._places, self._recent = keys[order], places[order], {}
