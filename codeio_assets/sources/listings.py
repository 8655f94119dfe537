"""What was seen of each source the last time: names, sizes and times of its files, so that nothing is read twice.

A listing counts for the way in which its source was read and for the shards that there were; with others everything is
read again. What does not live here: shards (`shards`), reading (`reading`).
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path

from codeio_assets.core.settings.project import Reading, Source
from codeio_assets.core.values.canonical import content_id
from codeio_assets.sources.reading import source_files
from codeio_assets.store.interface import Blobs

Listing = dict[str, str]
"""File, relative to the source's path -> size and time of change."""
SETTLED_NS = 2_000_000_000
"""A file that was changed this recently may change again without another time."""


def listing_of(name: str, source: Source, base: Path) -> dict[Path, tuple[str, str]] | None:
    """Return file -> (name, signature) of a source; None of one that is no files, which is read to be known.

    Raises:
        SettingsError: the folder or file does not exist.
    """
    if source.path is None:
        return None
    root = base / source.path
    found: dict[Path, tuple[str, str]] = {}
    for path in source_files(name, source, base):
        status = path.stat()
        own = path.relative_to(root).as_posix() if source.kind == "directory" else ""
        found[path] = own, f"{status.st_size}:{status.st_mtime_ns}"
    return found


class Listings:
    """The listings of all sources, as records."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def load(self, name: str, source: Source, keys: Iterable[str]) -> Listing:
        """Return what was seen of a source when it was read so and had these shards; empty when it was not."""
        try:
            stored = self._blobs.get(_file(name, source, keys))
            return json.loads(stored.data or b"") if stored else {}
        except (OSError, ValueError):
            return {}

    def keep(self, name: str, source: Source, keys: Iterable[str], seen: Iterable[tuple[str, str]]) -> None:
        """Keep what was seen, in place of earlier listings of the source."""
        newest = time.time_ns() - SETTLED_NS
        listing = {file: signature for file, signature in seen if int(signature.partition(":")[2]) < newest}
        target = _file(name, source, keys)
        self._blobs.put(target, json.dumps(listing, ensure_ascii=True).encode())
        for other in self._blobs.names("", f"{name}."):
            if other != target:
                self._blobs.remove(other)


def _file(name: str, source: Source, keys: Iterable[str]) -> str:
    reading = {field: getattr(source, field) for field in Reading.model_fields}
    how = Reading.model_validate(reading).model_dump(mode="json")
    return f"{name}.{content_id(reading=how, shards=sorted(keys))[:16]}.json"
