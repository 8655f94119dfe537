"""The code location from within: for commands that run it themselves, and for what looks at the whole graph."""

from collections.abc import Iterable
from functools import cache

import dagster as dg

from codeio_assets.checks.registry import rules
from codeio_assets.project import Project


@cache
def code_location() -> dg.Definitions:
    """Return the code location; loading it takes a second, so it happens once."""
    from codeio_assets.definitions import defs

    return defs()


def known_checks(project: Project) -> Iterable[dg.AssetCheckKey]:
    """Return the keys of all checks of the graph, without loading it: a check is a rule."""
    return [dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in rules(project.sql_folder)]
