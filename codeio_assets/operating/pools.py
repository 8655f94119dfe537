"""How many steps each pool takes at once, from a file: on many machines one default does not fit all pools.

What does not live here: which step is in which pool (`graph.steps`), the default (dagster.yaml).
"""

from pathlib import Path

import dagster as dg
import yaml

from codeio_assets.core.settings.project import SettingsError
from codeio_assets.graph.steps import STEPS


def read_pools(path: Path) -> dict[str, int]:
    """Return pool -> steps at once of a YAML file such as `{sandbox: 32, chat_server: 16, gpu: 2}`.

    Raises:
        SettingsError: it cannot be read, or names a pool that there is not, or a limit that is no positive number.
    """
    try:
        pools = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {str(error).splitlines()[0]}. Correct it.") from error
    known = {step.pool for step in STEPS.values() if step.pool}
    if not isinstance(pools, dict) or not pools:
        raise SettingsError(f"{path} has to have a line `pool: limit` for some of {', '.join(sorted(known))}.")
    for pool, limit in pools.items():  # pyright: ignore[reportUnknownVariableType]
        if pool not in known:
            raise SettingsError(f"{path}: there is no pool {pool!r}, only {', '.join(sorted(known))}.")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise SettingsError(f"{path}: {pool} is {limit!r}; set a whole number of steps, 1 or more.")
    return dict(pools)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def set_pools(pools: dict[str, int]) -> None:
    """Set the limits of pools in the storage of DAGSTER_HOME; runs that wait there go by them at once."""
    with dg.DagsterInstance.get() as instance:
        for pool, limit in pools.items():
            instance.event_log_storage.set_concurrency_slots(pool, limit)
