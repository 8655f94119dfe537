"""Partitions whose manifest cannot be read: what SQL shows instead of their rows, and how it says so.

What does not live here: reading manifests (`manifests`), the statements (`views`).
"""

from collections.abc import Iterable

from codeio_assets.store import layout
from codeio_assets.store.manifests import Manifests

LostPartitions = dict[str, list[tuple[str, str]]]
"""Table -> (partition, message)."""


def lost_partitions(manifests: Manifests, writers: dict[str, str]) -> LostPartitions:
    """Return what damaged manifests held, of tables with these writers; the messages name files from the warehouse on.

    Every table of a writer counts as held: what a damaged manifest named is not known.
    """
    lost: LostPartitions = {}
    for asset in sorted(set(writers.values())):
        for partition in manifests.damaged(asset):
            message = f"The manifest {layout.manifest_file(asset, partition)} is damaged: `codeio verify` tells more."
            for table, writer in writers.items():
                if writer == asset:
                    lost.setdefault(table, []).append((partition, message))
    return lost


def raise_if_lost(manifests: Manifests, assets: Iterable[str], error: BaseException) -> None:
    """Raise the error of a damaged manifest if it was the rows of its partition that a query wanted.

    Raises:
        StoreError: it was; the message has the whole path.
    """
    for asset in assets:
        for partition, damage in manifests.damaged(asset).items():
            if layout.manifest_file(asset, partition) in str(error):
                raise damage from None
