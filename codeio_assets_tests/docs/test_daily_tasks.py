"""Every line of the table of daily tasks does what it says: commands are run, addresses answer with something.

What takes long or serves until it is stopped is run by a test of its own, which `ELSEWHERE` names.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from codeio_assets.browse.app import build_app
from codeio_assets.cli import main
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.browse.conftest import ORIGIN, opened
from codeio_assets_tests.docs.test_documentation import parsed
from codeio_assets_tests.reports import tiny

PAGE = INSTALLED_ROOT / "docs" / "daily_tasks.md"
ROWS = re.findall(r"^\| (?!you want|---)(.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
SHARD = tiny.tables()["alpha-0001"]
TASK = SHARD["prediction_tasks"][0]["task_id"]
FUNCTION = SHARD["unified_functions"][-1]["function_id"]
FILE = SHARD["raw_code_files"][-1]["file_id"]

ELSEWHERE = {
    "try FILE.py": "cli/test_reading.py::test_one_file_is_tried_from_start_to_end",
    "try FILE.py --model": "browse/test_pages.py::test_a_model_is_asked_again_about_a_file",
    "make": "operating/test_making.py::test_only_what_is_due_is_made_and_a_change_is_told",
    "make predictions": "operating/test_making.py::test_only_what_is_due_is_made_and_a_change_is_told",
    "make --limit": "operating/test_making.py::test_only_what_is_due_is_made_and_a_change_is_told",
    "make --recipe": "docs/test_tutorial.py::",
    "dev": "cli/test_stopping.py::test_codeio_dev_takes_dagster_along",
    "browse --beside": "cli/test_reading.py::test_the_browser_is_served_beside_another_project",
    "diff": "cli/test_data.py::test_export_trace_and_diff",
}
"""Beginning of a command, the longest that fits -> the test that runs it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("daily")


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CODEIO_BASE_URL", "http://127.0.0.1:9/v1")  # a server is named, and nobody asks it
        library = opened(home, tiny.tables())
        yield TestClient(build_app(library), base_url=ORIGIN)
        library.close()


def run(command: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command on the tables of the tests, with something real for what stands in capitals."""
    real = {"ID": TASK, "RECIPE": "demo", "DIR": str(tmp_path / "out"), "FILE": str(tmp_path / "file")}
    real |= {"WHY": "odd", "~/my_project": str(tmp_path / "mine")}
    monkeypatch.setenv("CODEIO_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setenv("CODEIO_PERSON", "ada")
    monkeypatch.setattr(sys, "argv", [real.get(word, word) for word in shlex.split(command)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0, command


def test_there_are_enough() -> None:
    assert len(ROWS) >= 25


def test_what_is_run_elsewhere_is_there() -> None:
    for command, test in ELSEWHERE.items():
        file, _, name = test.partition("::")
        assert f"def {name or 'test_'}" in (INSTALLED_ROOT / "codeio_assets_tests" / file).read_text("utf-8"), command


@pytest.mark.parametrize(("wanted", "does"), ROWS, ids=[wanted for wanted, _ in ROWS])
def test_it_does(
    wanted: str, does: str, client: TestClient, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = re.findall(r"`([^`]+)`", does)
    commands = [span for span in spans if span.startswith("codeio ")]
    addresses = [span for span in spans if span.startswith("/")]
    clicks = re.findall(r"\*([A-Z][^*]+)\*", does)
    assert commands or addresses or "recipe" in does, does
    for command in commands:
        parsed(shlex.split(command))
        if not any(command == f"codeio {start}" or command.startswith(f"codeio {start} ") for start in ELSEWHERE) or (
            "--dry-run" in command
        ):
            run(command, home, tmp_path, monkeypatch)
    for address in addresses:
        answer = client.get(address.replace("ID", TASK).replace("q=heap", "q=constant"))
        assert answer.status_code == 200, address
        if "flaw=" not in address:
            assert "Nothing is left" not in answer.text, address
        item = {"/tasks": TASK, "/functions": FUNCTION, "/files": FILE}.get(address)
        for click in clicks:
            page = client.get(f"{address}/{item}" if item else "/tasks?turn1=wrong")
            assert click in page.text, (click, address)
