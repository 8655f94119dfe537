"""Checks of all assets: schemas and SQL rules, partitioned and blocking."""

import dagster as dg

from codeio_assets.orchestration.checks import schema_check, sql_checks
from codeio_assets.orchestration.stages import STAGES

defs = dg.Definitions(asset_checks=[*(schema_check(asset) for asset in STAGES), *sql_checks()])
