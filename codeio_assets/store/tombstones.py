"""Tombstones: since when a file is named by nothing. The grace period counts from there, not from times of files.

A file is removed in three steps: its tombstone says so, the file goes, the tombstone goes. Who commits the same rows
again makes the tombstone young first, which a collection that has looked at it notices.
"""

import contextlib
import json
import time
from collections.abc import Iterable

from codeio_assets.store import layout
from codeio_assets.store.errors import NoRoomError, StoreError
from codeio_assets.store.interface import Blobs

ATTEMPTS = 100


class Tombstones:
    """The tombstones of one warehouse."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def bury(self, files: Iterable[str]) -> None:
        """Start the grace period of files that have just been replaced."""
        for file in files:
            name = layout.tombstone_file(file)
            if self._blobs.put_if(name, _text(time.time()), None) is None:
                self._refresh(name)

    def revive(self, files: Iterable[str]) -> None:
        """Give files that are about to be named, or pinned, another grace period, if they were named by nothing.

        Raises:
            StoreError: a collection is removing one at this moment.
        """
        for file in files:
            if not self._refresh(layout.tombstone_file(file)):
                raise StoreError(
                    f"{self._blobs.where(file)} is being removed by a garbage collection at this moment. Run it again; "
                    "if that collection was killed, `codeio gc` ends its work."
                )

    def buried(self) -> set[str]:
        """Return the files that have a tombstone."""
        names = (name for name in self._blobs.walk(layout.TOMBSTONES) if name.endswith(".json"))
        return {layout.buried_file(name) for name in names}

    def is_over(self, file: str, grace_s: float, *, dry_run: bool) -> bool:
        """Tell whether a file that nothing names has had its grace period, which begins now if it has not yet begun."""
        stored = self._blobs.get(layout.tombstone_file(file))
        since = _since(stored.data or b"") if stored else time.time()
        if stored is None and not dry_run:
            with contextlib.suppress(NoRoomError):  # the next collection begins it
                self._blobs.put_if(layout.tombstone_file(file), _text(since), None)
        return time.time() - since >= grace_s

    def remove(self, file: str) -> bool:
        """Remove a file whose grace period is over, unless a writer has just made it young; tell whether it is gone."""
        name = layout.tombstone_file(file)
        try:
            stored = self._blobs.get(name)
            if self._blobs.put_if(name, _text(0.0), stored.tag if stored else None) is None:
                return False
        except NoRoomError:
            pass  # where there is no room for a tombstone, nobody can commit the file again either
        self._blobs.remove(file)
        self._blobs.remove(name)
        return True

    def lift(self, file: str) -> None:
        """Remove the tombstone of a file that is named again, or gone."""
        self._blobs.remove(layout.tombstone_file(file))

    def _refresh(self, name: str) -> bool:
        """Make a tombstone young; tell whether its file is not being removed."""
        for _ in range(ATTEMPTS):
            stored = self._blobs.get(name)
            if stored is None:
                return True
            if _since(stored.data or b"") == 0.0:
                return False
            if self._blobs.put_if(name, _text(time.time()), stored.tag):
                return True
        return False


def _text(since: float) -> bytes:
    """Return a tombstone; 0 says that the file is being removed."""
    return json.dumps({"since": since}).encode()


def _since(data: bytes) -> float:
    try:
        return float(json.loads(data)["since"])
    except (ValueError, KeyError, TypeError):
        return time.time()
