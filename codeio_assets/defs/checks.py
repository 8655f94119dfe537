"""Checks of all assets: schemas, SQL rules, and what takes reading or executing; partitioned like their assets."""

import dagster as dg

from codeio_assets.checks.registry import rules, rules_of
from codeio_assets.checks.rules import check_of
from codeio_assets.project import Project

ROOT = Project.find().root

defs = dg.Definitions(
    asset_checks=[check_of(rule, lambda step: [each.key for each in rules_of(ROOT, step)]) for rule in rules(ROOT)]
)
