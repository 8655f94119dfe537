"""Rolled-up records: the texts of all records of a folder in one file, so that who looks at all of them opens one.

A rollup names the tag of each record that it holds. Who reads lists the folder, reads what has another tag, and writes
the rollup anew when that was much. So it is never out of date, and can be deleted.
What does not live here: what the records mean (`manifests`, `standing`).
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs

LEAST = 100
"""Records of a folder for which one is kept."""
WRITTEN_AT = 0.02
"""Part of a folder's records that has changed when its rollup is written anew."""
_SCHEMA = pa.schema([("name", pa.string()), ("tag", pa.string()), ("data", pa.binary())])


@dataclass(frozen=True, slots=True)
class Text:
    """A record's text; `is_known` says that somebody has read it before, and found it whole."""

    name: str
    tag: str
    data: bytes
    is_known: bool


class Rollups:
    """The rollups of one warehouse."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def texts(self, folder: str) -> Iterator[Text]:
        """Yield the text of each record of a folder, in the order of names; `keep` then keeps those that are whole."""
        known = self._read(folder)
        for name, stored in self._blobs.get_all(folder, lambda name: known[name].tag if name in known else None):
            if not name.endswith(".json"):
                continue
            yield known[name] if stored.data is None else Text(name, stored.tag, stored.data, is_known=False)

    def keep(self, folder: str, texts: list[Text]) -> None:
        """Write a folder's rollup anew if much of it is new; a place that is not writable does without."""
        new = sum(not text.is_known for text in texts)
        if len(texts) < LEAST or new <= WRITTEN_AT * len(texts):
            return
        columns = {name: [getattr(text, name) for text in texts] for name in _SCHEMA.names}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, _SCHEMA), sink, compression="zstd")
        with contextlib.suppress(StoreError):
            self._blobs.put(layout.rollup_file(folder), sink.getvalue().to_pybytes())

    def forget(self) -> None:
        """Remove all: every record is read anew."""
        for name in [*self._blobs.walk(layout.ROLLUPS)]:
            self._blobs.remove(name)

    def _read(self, folder: str) -> dict[str, Text]:
        stored = None
        with contextlib.suppress(OSError):
            stored = self._blobs.get(layout.rollup_file(folder))
        if stored is None:
            return {}
        try:
            table = pq.read_table(io.BytesIO(stored.data or b""))
        except (ValueError, OSError):  # damaged: it is written anew
            return {}
        rows: Iterator[tuple[str, str, bytes]] = zip(*(column.to_pylist() for column in table.columns), strict=True)
        return {name: Text(name, tag, data, is_known=True) for name, tag, data in rows}
