"""Which asset writes which table, in one small record, so that a table is found without reading other manifests.

The record says what the manifests say and can be deleted: it is made again from them.
"""

import contextlib
import json
from collections.abc import Iterable

from codeio_assets.core.tables.data import TABLES
from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.manifests import Manifest, Manifests

ATTEMPTS = 100
"""Each loses to another writer at most; a table is entered once."""

_SEEN: dict[str, dict[str, str]] = {}
"""What this process has read, by place: a table's writer stays. Who enters one looks at the record itself."""


class Writers:
    """The writers of the tables of one warehouse."""

    def __init__(self, blobs: Blobs, manifests: Manifests) -> None:
        self._blobs = blobs
        self._manifests = manifests
        self._known: dict[str, str] = {}

    def of(self, table: str) -> str | None:
        """Return the asset that writes a table; None when nobody has, as far as manifests can be read."""
        seen = _SEEN.setdefault(self._blobs.where(layout.WRITERS_FILE), {})
        if table not in seen:
            seen |= self._read()[0]
        return seen.get(table)

    def claim(self, asset: str, partition: str, tables: Iterable[str]) -> None:
        """Enter an asset as the writer of tables.

        Raises:
            StoreError: another asset writes one of them in this partition, or the place is not writable.
        """
        wanted = [table for table in tables if self._known.get(table) != asset]
        if wanted:
            self._known = self._read()[0]
            wanted = [table for table in wanted if self._known.get(table) != asset]
        if not wanted:
            return
        for table in wanted:
            other = self._known.get(table)
            if other and (manifest := self._whole(other, partition)) and table in manifest.tables:
                raise StoreError(
                    f"Table {table!r} of partition {partition!r} is written by the asset {other!r}; a table has one "
                    f"writer, so {asset!r} cannot write it."
                )
        for _ in range(ATTEMPTS):
            self._known, tag = self._read()
            self._known |= dict.fromkeys(wanted, asset)
            if self._blobs.put_if(layout.WRITERS_FILE, _text(self._known), tag):
                _SEEN.setdefault(self._blobs.where(layout.WRITERS_FILE), {}).update(self._known)
                return
        raise StoreError(f"Cannot write {self._blobs.where(layout.WRITERS_FILE)}: others write it all the time.")

    def _read(self) -> tuple[dict[str, str], str | None]:
        stored = self._blobs.get(layout.WRITERS_FILE)
        if stored is not None:
            with contextlib.suppress(ValueError, AttributeError):
                found = json.loads(stored.data or b"").items()
                return {str(table): str(asset) for table, asset in found}, stored.tag
        found, is_certain = self._told_by_manifests()
        if found and is_certain:
            with contextlib.suppress(StoreError):  # a read-only place is read all the same
                tag = self._blobs.put_if(layout.WRITERS_FILE, _text(found), stored.tag if stored else None)
                return (found, tag) if tag else self._read()
        return found, stored.tag if stored else None

    def _told_by_manifests(self) -> tuple[dict[str, str], bool]:
        """Return the writers, and whether that is certain; an asset whose manifests are all damaged is guessed at."""
        found: dict[str, str] = {}
        guessed: dict[str, str] = {}
        for asset in self._manifests.assets():
            own = {table for manifest in self._manifests.whole(asset) for table in manifest.tables}
            found |= dict.fromkeys(own, asset)
            if not own and self._manifests.partitions(asset):
                guessed |= {table: asset for table in TABLES if table.startswith(asset)}
        return guessed | found, not guessed

    def _whole(self, asset: str, partition: str) -> Manifest | None:
        with contextlib.suppress(StoreError):  # a damaged manifest concerns its own partition only
            return self._manifests.get(asset, partition)
        return None


def _text(writers: dict[str, str]) -> bytes:
    return (json.dumps(writers, indent=1, sort_keys=True) + "\n").encode()
