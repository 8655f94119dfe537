"""Inputs as a step has them, over everything that a warehouse holds."""

from codeio_assets.running.inputs import Inputs
from codeio_assets.store import Warehouse


def given(warehouse: Warehouse, *reads: str) -> Inputs:
    manifests = (warehouse.manifest(asset, key) for asset in warehouse.assets() for key in warehouse.partitions(asset))
    return Inputs("a test", reads, warehouse, tuple(manifest for manifest in manifests if manifest))
