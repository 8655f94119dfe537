"""What holds for all tests: signals as in a terminal, and the order in which files are handed to parallel workers."""

import signal
from pathlib import Path

import pytest

LONGEST = (
    "e2e/test_webserver.py",
    "e2e/test_cancel.py",
    "browser/test_ui.py",
    "training/process/test_sft.py",
    "training/test_base_models.py",
    "e2e/test_older_project.py",
    "e2e/test_evaluating_a_recipe.py",
    "cli/test_stopping.py",
    "running/test_training_stopped.py",
    "training/test_effect.py",
    "training/test_tokenised_asset.py",
)
"""Files that take long by themselves, longest first: begun last, they would be waited for alone."""
HERE = Path(__file__).parent


def pytest_configure() -> None:
    """Hear SIGINT even where a background shell had it ignored.

    Every process that a test starts would inherit that, and dagster, which gives SIGTERM whatever SIGINT has, would
    make this process and those deaf to both.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    if gone := [name for name in LONGEST if not (HERE / name).is_file()]:
        raise pytest.UsageError(f"codeio_assets_tests/conftest.py: LONGEST names files that are not there: {gone}")
    rank = {HERE / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))
