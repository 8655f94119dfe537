"""Where everything is below the root of a warehouse: keys to names and back.

What does not live here: touching files (`blobs`).
"""

import re
from typing import NamedTuple

from codeio_assets.store.errors import StoreError

TABLES = "tables"
MANIFESTS = "manifests"
HEADS = "heads"
"""Of each partition the commit that waits for its checks, and what checks said about the last one."""
WRITERS_FILE = "writers.json"
"""Which asset writes which table; can be deleted."""
TOMBSTONES = "tombstones"
"""Since when files are named by nothing."""
ROLLUPS = "rollups"
"""The records of each folder in one file; can be deleted."""
LOCKS = ".locks"
SNAPSHOTS = "snapshots"
PINS = "pins"
VIEWS_FILE = "warehouse.duckdb"
UNPARTITIONED = "all"
"""Partition key of an asset without partitions."""

VERSION_DIGITS = 20
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_KEY_MAX = 200  # a file name may have 255 bytes, and ours carry a prefix or suffix
_TABLE_FILE = re.compile(rf"{TABLES}/([^/]+)/part=([^/]+)/([0-9a-f]{{{VERSION_DIGITS}}})\.parquet")


class TableFile(NamedTuple):
    """What the name of a version's file says."""

    table: str
    partition: str
    version: str


def checked_key(key: str, what: str) -> str:
    """Return a key that can be a file name, a folder name and part of a URL.

    Raises:
        StoreError: it cannot.
    """
    if len(key) <= _KEY_MAX and _KEY.fullmatch(key):
        return key
    raise StoreError(
        f"{what} {key[:80]!r} cannot name a file: use up to {_KEY_MAX} letters, digits, '_', '.' and '-', beginning "
        "with a letter or digit (the key is the folder's name, e.g. 'pyedu-0007')."
    )


def table_folder(table: str, partition: str) -> str:
    """Return the folder of all versions of a table's partition."""
    return f"{TABLES}/{checked_key(table, 'table')}/part={checked_key(partition, 'partition key')}"


def version_of(sha256: str) -> str:
    """Return the version that a file's hash gives."""
    return sha256[:VERSION_DIGITS]


def table_file(table: str, partition: str, version: str) -> str:
    """Return the file of one version."""
    return f"{table_folder(table, partition)}/{version}.parquet"


def parse_table_file(name: str) -> TableFile | None:
    """Return what a file's name says; None when it is not the file of a version."""
    match = _TABLE_FILE.fullmatch(name)
    return TableFile(*match.groups()) if match else None


def manifest_file(asset: str, partition: str) -> str:
    """Return the manifest of an asset's partition: what is live."""
    return f"{MANIFESTS}/{checked_key(asset, 'asset')}/{checked_key(partition, 'partition key')}.json"


def head_file(asset: str, partition: str) -> str:
    """Return the record of the last commit of an asset's partition."""
    return f"{HEADS}/{checked_key(asset, 'asset')}/{checked_key(partition, 'partition key')}.json"


def tombstone_file(file: str) -> str:
    """Return the record of since when a version's file is named by nothing."""
    return f"{TOMBSTONES}/{file.removeprefix(f'{TABLES}/')}.json"


def buried_file(tombstone: str) -> str:
    """Return the file that a tombstone is about."""
    return f"{TABLES}/{tombstone.removeprefix(f'{TOMBSTONES}/').removesuffix('.json')}"


def rollup_file(folder: str) -> str:
    """Return the file with all records of a folder."""
    return f"{ROLLUPS}/{folder}.parquet"


def snapshot_file(snapshot_id: str) -> str:
    """Return the file of a snapshot."""
    return f"{SNAPSHOTS}/{checked_key(snapshot_id, 'snapshot id')}.json"


def pin_file(name: str) -> str:
    """Return the file of a pin."""
    return f"{PINS}/{checked_key(name, 'pin name')}.json"
