import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from codeio_assets.browse.app import build_app
from codeio_assets.browse.library import Library
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny

ORIGIN = "http://127.0.0.1:3001"
HOSTILE = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
SECRET_ORDER = "safe \u202e txt.exe"


def hostile(tables: tiny.Tables) -> tiny.Tables:
    """Put markup and hidden characters wherever strangers write."""
    shard = tables["alpha-0001"]
    for table, columns in {
        "unified_functions": ("query", "path", "io_description", "license", "repository"),
        "raw_code_files": ("content", "path", "license"),
        "predictions": ("response", "model_id"),
        "verdicts": ("feedback",),
        "prediction_tasks": ("prompt",),
        "eligible_code_files_rejections": ("detail",),
        "unified_functions_rejections": ("detail",),
    }.items():
        for row in shard[table]:
            row |= {column: f"{row[column]} {HOSTILE} {SECRET_ORDER}" for column in columns}
    for row in shard["unified_functions"]:
        row["reference_code"] += f"  # {HOSTILE}"
    for row in shard["verdicts"]:
        row["predicted_json"] = json.dumps({"a": HOSTILE})
    return tables


def opened(home: Path, tables: tiny.Tables) -> Library:
    project = Project(INSTALLED_ROOT, home)
    tiny.write(Warehouse(project.warehouse), tables)
    library = Library.open(project, "ada")
    library.index.refresh()
    return library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    found = opened(tmp_path, tiny.tables())
    yield found
    found.close()


@pytest.fixture
def client(library: Library) -> TestClient:
    return TestClient(build_app(library), base_url=ORIGIN)


def post(client: TestClient, library: Library, path: str, **fields: str) -> Any:
    return client.post(
        path, data={"token": library.token, **fields}, headers={"origin": ORIGIN}, follow_redirects=False
    )
