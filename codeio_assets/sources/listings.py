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
from codeio_assets.store.blobs import write_atomically

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
    """The listings of all sources, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str, source: Source, keys: Iterable[str]) -> Listing:
        """Return what was seen of a source when it was read so and had these shards; empty when it was not."""
        try:
            return json.loads(self._file(name, source, keys).read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    def keep(self, name: str, source: Source, keys: Iterable[str], seen: Iterable[tuple[str, str]]) -> None:
        """Keep what was seen, in place of earlier listings of the source."""
        newest = time.time_ns() - SETTLED_NS
        listing = {file: signature for file, signature in seen if int(signature.partition(":")[2]) < newest}
        target = self._file(name, source, keys)
        write_atomically(target, json.dumps(listing, ensure_ascii=True).encode())
        for path in self._folder.glob(f"{name}.*.json"):
            if path != target:
                path.unlink(missing_ok=True)

    def _file(self, name: str, source: Source, keys: Iterable[str]) -> Path:
        reading = {field: getattr(source, field) for field in Reading.model_fields}
        how = Reading.model_validate(reading).model_dump(mode="json")
        return self._folder / f"{name}.{content_id(reading=how, shards=sorted(keys))[:16]}.json"
