"""Checks of all assets: schemas, SQL rules, and what takes reading or executing; partitioned like their assets."""

import dagster as dg

from codeio_assets.checks.quality import quality_checks
from codeio_assets.checks.tables import run_table_check, schema_check, sql_checks
from codeio_assets.graph.steps import STEPS

defs = dg.Definitions(
    asset_checks=[
        *(schema_check(asset) for asset in STEPS),
        *sql_checks(),
        *quality_checks(),
        run_table_check("quality_report"),
    ]
)
