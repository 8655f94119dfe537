"""Limits of pools come from a file, into the instance that Dagster's daemon reads."""

from pathlib import Path

import dagster as dg
import pytest

from codeio_assets.core.settings.project import SettingsError
from codeio_assets.operating.pools import read_pools, set_pools
from codeio_assets.project import INSTALLED_ROOT


@pytest.mark.parametrize("path", sorted(INSTALLED_ROOT.glob("deploy/*/pools.yaml")), ids=lambda path: path.parent.name)
def test_the_shipped_limits_are_what_the_instance_says(path: Path) -> None:
    pools = read_pools(path)
    assert set(pools) == {"sandbox", "chat_server", "gpu"}
    with dg.instance_for_test() as instance:
        set_pools(pools)
        assert {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()} == pools


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sandboxes: 4", "there is no pool 'sandboxes', only chat_server, gpu, sandbox"),
        ("gpu: many", "gpu is 'many'; set a whole number"),
        ("gpu: 0", "gpu is 0; set a whole number"),
        ("gpu: true", "gpu is True; set a whole number"),
        ("", "has to have a line"),
        ("[1", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=told) as refused:
        read_pools(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_pools(tmp_path / "pools.yaml")
