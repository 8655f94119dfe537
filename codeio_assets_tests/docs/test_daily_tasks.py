"""Every line of the table of daily tasks does what it says: commands are there, addresses answer with something."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from codeio_assets.browse.app import build_app
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.browse.conftest import ORIGIN, opened
from codeio_assets_tests.docs.test_documentation import parsed
from codeio_assets_tests.reports import tiny

PAGE = INSTALLED_ROOT / "docs" / "daily_tasks.md"
ROWS = re.findall(r"^\| (?!you want|---)(.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    library = opened(tmp_path_factory.mktemp("daily"), tiny.tables())
    yield TestClient(build_app(library), base_url=ORIGIN)
    library.close()


def test_there_are_enough() -> None:
    assert len(ROWS) >= 25


@pytest.mark.parametrize(("wanted", "does"), ROWS, ids=[wanted for wanted, _ in ROWS])
def test_it_does(wanted: str, does: str, client: TestClient, tmp_path: Path) -> None:
    spans = re.findall(r"`([^`]+)`", does)
    commands = [span for span in spans if span.startswith("codeio ")]
    addresses = [span for span in spans if span.startswith("/")]
    assert commands or addresses or "recipe" in does, does
    for command in commands:
        parsed(shlex.split(command))
    task = tiny.tables()["alpha-0001"]["prediction_tasks"][0]["task_id"]
    for address in addresses:
        answer = client.get(address.replace("ID", task).replace("q=heap", "q=constant"))
        assert answer.status_code == 200, address
        if "flaw=" not in address:
            assert "Nothing is left" not in answer.text, address
    if "Run it here" in does:
        table = "functions" if "functions" in does else "tasks"
        item = task if table == "tasks" else tiny.tables()["alpha-0001"]["unified_functions"][-1]["function_id"]
        assert "Run it here" in client.get(f"/{table}/{item}").text
    if "Act on all" in does:
        assert "Act on all" in client.get("/tasks?turn1=wrong").text
