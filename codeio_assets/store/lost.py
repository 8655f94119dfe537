"""Partitions whose manifest cannot be read: what SQL shows instead of their rows, and how it says so.

What does not live here: reading manifests (`manifests`), the statements (`views`).
"""

from collections.abc import Callable

from codeio_assets.core.tables.data import TABLES
from codeio_assets.store import layout
from codeio_assets.store.manifests import ManifestReader

LostPartitions = dict[str, list[tuple[str, str]]]
"""Table -> (partition, message)."""


def lost_partitions(manifests: ManifestReader, writer_of: Callable[[str], str | None]) -> LostPartitions:
    """Return what damaged manifests held, as far as can be told; the messages name files from the warehouse on."""
    lost: LostPartitions = {}
    for asset, partition in manifests.damaged():
        message = f"The manifest {layout.manifest_file(asset, partition)} is damaged: `codeio verify` tells more."
        is_only = not manifests.whole(asset)
        for table in TABLES:
            writer = writer_of(table)
            if writer == asset or (writer is None and (is_only or table.startswith(asset))):
                lost.setdefault(table, []).append((partition, message))
    return lost


def raise_if_lost(manifests: ManifestReader, error: BaseException) -> None:
    """Raise the error of a damaged manifest if it was the rows of its partition that a query wanted.

    Raises:
        StoreError: it was; the message has the whole path.
    """
    for (asset, partition), damage in manifests.damaged().items():
        if layout.manifest_file(asset, partition) in str(error):
            raise damage from None
