"""The code location from within: for commands that run it themselves, and for what looks at the whole graph."""

from collections.abc import Iterable
from functools import cache

import dagster as dg


@cache
def code_location() -> dg.Definitions:
    """Return the code location; loading it takes a second, so it happens once."""
    from codeio_assets.definitions import defs

    return defs()


def known_checks() -> Iterable[dg.AssetCheckKey]:
    """Return the keys of all checks of the graph, however the present step was started."""
    return code_location().get_repository_def().asset_graph.asset_check_keys
