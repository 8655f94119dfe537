"""Where a warehouse is: its folder, or object storage that `CODEIO_WAREHOUSE_URL` names, with a cache in a folder."""

import os
from pathlib import Path

from codeio_assets.store.blobs import LocalBlobs
from codeio_assets.store.interface import Blobs, PlaceError

CACHE_GIB = 50.0


def open_blobs(folder: Path, url: str | None) -> Blobs:
    """Return the files of a warehouse: in a folder, or at an address with the folder as the cache of immutable files.

    With `CODEIO_CACHE` the cache is `tables` in that folder; `CODEIO_CACHE_GIB` is its bound.

    Raises:
        PlaceError: the address cannot be used.
    """
    if not url:
        return LocalBlobs(folder)
    from codeio_assets.store.cache import FileCache
    from codeio_assets.store.objects import ObjectBlobs

    bound = os.environ.get("CODEIO_CACHE_GIB") or CACHE_GIB
    try:
        max_bytes = int(float(bound) * 2**30)
    except ValueError:
        raise PlaceError(f"CODEIO_CACHE_GIB is {bound!r}: give a number of GiB, or unset it.") from None
    own = os.environ.get("CODEIO_CACHE")
    return ObjectBlobs(url, FileCache(Path(own).resolve() / "tables" if own else folder, max_bytes))
