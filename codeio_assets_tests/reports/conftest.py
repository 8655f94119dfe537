"""A project whose report goes to a temporary folder, and the tiny warehouse in it."""

from pathlib import Path

import pytest

from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(INSTALLED_ROOT, tmp_path)


@pytest.fixture(scope="session")
def tiny_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return tiny.write(Warehouse(tmp_path_factory.mktemp("tiny")), tiny.tables())
