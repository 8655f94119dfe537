"""The instance's settings of an earlier release are renewed where nobody changed them."""

from pathlib import Path

import pytest

from codeio_assets.operating.upgrading import Upgrade, _bring_shipped_files  # pyright: ignore[reportPrivateUsage]
from codeio_assets.project import INSTALLED_ROOT, Project

FREED = "  # places in pools that a killed worker held; without it they stay taken, and its retry waits for them\n"
FREED += "  free_slots_after_run_end_seconds: 10\n"


@pytest.mark.parametrize("own", ["", "# mine\n"], ids=["as shipped", "changed by a person"])
def test_a_shipped_dagster_yaml_gets_the_setting_that_frees_places(own: str, tmp_path: Path) -> None:
    now = (INSTALLED_ROOT / "dagster.yaml").read_text("utf-8")
    former = now.replace(FREED, "")
    assert former != now
    there = tmp_path / "dagster.yaml"
    there.write_text(former + own)
    done = Upgrade()
    _bring_shipped_files(Project(INSTALLED_ROOT, tmp_path), tmp_path, done)
    assert (done.replaced, done.left) == (([], ["dagster.yaml"]) if own else (["dagster.yaml"], []))
    assert there.read_text("utf-8") == (former + own if own else now)
