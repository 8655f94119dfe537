"""A small soak: every abuse of the table once among healthy programs, through the command line."""

from pathlib import Path

import pytest

from codeio_assets_tests.batch.soak import HOSTILE, soak


@pytest.mark.slow
def test_hostile_programs_among_others_leave_nothing(tmp_path: Path) -> None:
    soaked = soak(tmp_path, programs=4 * len(HOSTILE), hostile_every=4)
    assert soaked.wrong == []
    assert soaked.left_files == []
    assert soaked.left_processes == []
    early, late = soaked.early_and_late_mib()
    assert late < early * 1.2 + 10
