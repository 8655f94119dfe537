"""Checks of s7: what must hold of a checkpoint."""

import dagster as dg

from codeio_assets.checks.checkpoints import checkpoint_checks

defs = dg.Definitions(asset_checks=[*checkpoint_checks(1), *checkpoint_checks(2)])
