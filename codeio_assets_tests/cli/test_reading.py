"""The commands that read, and how the project is found, as a person types them."""

import os
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from codeio_assets.cli import main, overview
from codeio_assets.cli.app import complete
from codeio_assets.cli.commands import GROUPS, MODULE_OF
from codeio_assets.cli.reading import app
from codeio_assets.core.settings.project import SettingsError, load_settings, load_sources
from codeio_assets.core.settings.recipes import load_recipes
from codeio_assets.core.tables.reasons import REASONS
from codeio_assets.core.tables.remedies import remedy
from codeio_assets.core.values.canonical import content_id
from codeio_assets.project import INSTALLED_ROOT, Project, find_root
from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.reports import tiny


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path))
    return tiny.write(Warehouse(tmp_path / "warehouse"), tiny.tables())


def say(*arguments: str, **more: Any) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, **more)
    assert result.exit_code == 0, result.output
    return result.output


class TestHelp:
    def test_every_command_is_listed_with_its_own_words(self) -> None:
        command: Any = typer.main.get_command(complete())
        own = {name: " ".join((each.help or "").split()) for name, each in command.commands.items() if not each.hidden}
        listed = {name: line for commands in GROUPS.values() for name, _, line in commands}
        assert set(listed) == set(own)
        assert {name: line for name, line in listed.items() if not own[name].startswith(line)} == {}
        assert all(name in overview() for name in MODULE_OF)

    def test_help_and_version_load_nothing(self) -> None:
        program = "import sys; from codeio_assets.cli import main\ntry:\n    main()\nexcept SystemExit:\n    "
        program += "print(sorted({'typer', 'dagster', 'polars', 'duckdb', 'pydantic'} & set(sys.modules)))"
        for option, words in (("--help", "codeio COMMAND --help"), ("--version", "codeio ")):
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            done = subprocess.run([sys.executable, "-c", program, option], capture_output=True, text=True, check=True)
            assert words in done.stdout
            assert done.stdout.endswith("[]\n"), done.stdout[-200:]
            assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.3, "seconds of CPU"

    def test_status_loads_no_graph(self, tmp_path: Path) -> None:
        """Its fixed cost is Dagster's storage; the graph, the browser and all that makes something stay out."""
        program = "import sys; from codeio_assets.cli import main\ntry:\n    main()\nexcept SystemExit:\n    "
        program += "print(*(name for name in sys.modules if name.startswith('codeio_assets.')), *"
        program += (
            "sorted({'dagster_webserver', 'dagster_graphql', 'torch', 'transformers', 'jinja2'} & set(sys.modules)))"
        )
        environment = os.environ | {"CODEIO_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")}
        done = subprocess.run(
            [sys.executable, "-c", program, "status"], env=environment, capture_output=True, text=True, check=True
        )
        loaded = done.stdout.splitlines()[-1].split()
        assert "codeio_assets.operating.status" in loaded
        rooms = ("defs.", "definitions", "browse.")
        assert [name for name in loaded if name.removeprefix("codeio_assets.").startswith(rooms)] == []
        assert [name for name in loaded if not name.startswith("codeio_assets.")] == []

    def test_a_misspelt_command_is_guessed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["codeio", "brwose"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "Did you mean `codeio browse`?" in capsys.readouterr().err


class TestProject:
    def test_it_is_found_upwards_as_git_does(self, tmp_path: Path) -> None:
        (tmp_path / "codeio.yaml").write_text("")
        inner = tmp_path / "a" / "b"
        inner.mkdir(parents=True)
        assert find_root(None, inner) == tmp_path
        assert find_root(str(inner), tmp_path) == inner, "what is named goes first"

    def test_outside_one_it_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"is in no project: .* `codeio init DIR`, or set CODEIO_PROJECT"):
            find_root(None, tmp_path)
        with pytest.raises(SettingsError, match=r"CODEIO_PROJECT is /nowhere, which is no folder"):
            find_root("/nowhere", tmp_path)

    def test_a_project_of_ones_own_is_complete(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from codeio_assets.cli.projects import app as projects

        folder = tmp_path / "mine"
        made = CliRunner().invoke(
            projects, ["init", str(folder)] if len(projects.registered_commands) > 1 else [str(folder)]
        )
        assert made.exit_code == 0, made.output
        assert "codeio try FILE.py" in made.output
        assert load_settings(folder / "codeio.yaml").chat.revision_turns == 1
        assert load_sources(folder / "sources.yaml").sources["ours"].license == "apache-2.0"
        assert load_recipes(folder / "recipes")["first"].data.exclude == "marked"
        monkeypatch.delenv("CODEIO_PROJECT", raising=False)
        monkeypatch.delenv("CODEIO_HOME", raising=False)
        monkeypatch.chdir(folder / "code")
        project = Project.find()
        assert (project.root, project.home) == (folder.resolve(), folder.resolve() / "var")
        assert project.sql("lineage/trace.sql") == (INSTALLED_ROOT / "sql" / "lineage" / "trace.sql").read_text()
        assert [shard.key for shard in project.shards.register_new(project.sources, project.root)] == ["ours-0000"]

    def test_a_folder_that_holds_something_is_left_alone(self, tmp_path: Path) -> None:
        from codeio_assets.products.new_project import make_project

        (tmp_path / "mine.txt").write_text("x")
        with pytest.raises(StoreError, match="is not empty"):
            list(make_project(tmp_path))
        assert os.listdir(tmp_path) == ["mine.txt"]  # noqa: PTH208


class TestShow:
    def test_a_task_is_told_in_full(self, warehouse: Warehouse) -> None:
        revised = tiny.tables()["alpha-0001"]["revised_predictions"][0]
        told = say("show", revised["task_id"][:12])
        for part in (f"task {revised['task_id']}", "question", "def main_solution", "turn 1", "turn 2", "feedback:"):
            assert part in told, part
        assert told.index("turn 1") < told.index("turn 2")

    def test_a_dropped_file_says_why_and_what_to_do(self, warehouse: Warehouse) -> None:
        row = tiny.tables()["alpha-0001"]["eligible_code_files_rejections"][0]
        told = say("show", row["id"])
        assert f"dropped by eligible_code_files: {row['reason']}" in told
        assert remedy(row["reason"]) in told

    def test_an_answer_leads_to_its_task(self, warehouse: Warehouse) -> None:
        prediction = tiny.tables()["beta-0001"]["predictions"][0]
        assert f"task {prediction['task_id']}" in say("show", prediction["prediction_id"])

    def test_nothing_is_one_line(self, warehouse: Warehouse) -> None:
        with pytest.raises(KeyError, match="nothing has the id 000000000000"):
            say("show", "000000000000")
        with pytest.raises(StoreError, match="is not an id"):
            say("show", "xyz")

    def test_a_terminal_obeys_nothing_that_strangers_wrote(self, warehouse: Warehouse) -> None:
        tables = tiny.tables()
        for row in tables["beta-0001"]["unified_functions"]:
            row["query"] = "\x1b[2Jgone \u202e"
        tiny.write(warehouse, {"beta-0001": tables["beta-0001"]})
        told = say("show", tables["beta-0001"]["unified_functions"][0]["function_id"])
        assert "\x1b" not in told
        assert "⟦U+001B⟧[2Jgone" in told
        for row in tables["beta-0001"]["eligible_code_files_rejections"]:
            row["detail"] = "\x1b]0;owned\x07 \x9b31m \u202e"
        tiny.write(warehouse, {"beta-0001": tables["beta-0001"]})
        query = "select query, detail from unified_functions, eligible_code_files_rejections"
        for command in (("rejections", "too_short", "--shard", "beta-0001"), ("sql", query), ("sql", "--json", query)):
            told = say(*command)
            assert "owned" in told
            assert not set(told) & set("\x1b\x07\x9b\u202e")


def test_rejections_are_counted_with_reason_and_remedy(warehouse: Warehouse) -> None:
    told = say("rejections")
    assert "2  eligible_code_files: too_short, fewer characters than `min_chars`" in told
    assert remedy("too_short") in told
    one = say("rejections", "too_short", "--shard", "beta-0001")
    assert one.count("beta-0001") == 1
    assert "alpha-0001" not in one


def test_packages_that_programs_lack_are_named(warehouse: Warehouse) -> None:
    tables = tiny.tables()
    lost = dict(tables["beta-0001"]["eligible_code_files_rejections"][0])
    for number, package in enumerate(("cv2", "PIL", "cv2")):
        detail = f"f.py: when run: ModuleNotFoundError: No module named '{package}' (attempts: 1)"
        lost |= {"id": content_id(number=number), "reason": "missing_package", "detail": detail}
        tables["beta-0001"]["unified_functions_rejections"].append(dict(lost))
    tiny.write(warehouse, {"beta-0001": tables["beta-0001"]})
    told = say("rejections", "missing_package").splitlines()
    assert told[0].split()[0] == "3"
    assert told[1].strip() == "PIL, cv2"


def test_every_reason_has_a_remedy() -> None:
    """Of its own, but for what a model's response or code may come to, where the advice is the same."""
    of_models = {"transform_attempts", "unified_functions_rejections", "io_pairs_rejections"}
    own = {reason for table, reasons in REASONS.items() if table not in of_models for reason in reasons}
    assert {reason for reason in own if remedy(reason) == remedy("generator_exception")} <= {"response_refused"}
    assert all(remedy(reason).endswith(".") for reasons in REASONS.values() for reason in reasons)


def test_sql_answers_as_a_table_or_as_lines(warehouse: Warehouse) -> None:
    query = "select status, count(*) as n from verdicts group by status order by n desc limit 1"
    assert say("sql", query).splitlines() == ["status   n", f"correct  {tiny.CORRECT_FIRST}"]
    assert say("sql", "-", "--json", input=query) == f'{{"status": "correct", "n": {tiny.CORRECT_FIRST}}}\n'
    assert f"verdicts  {tiny.TASKS} rows" in say("sql")
    with pytest.raises(StoreError, match="the query failed: "):
        say("sql", "select nothing from nowhere")


def test_marks_are_made_from_the_terminal(warehouse: Warehouse) -> None:
    task = tiny.tables()["beta-0001"]["prediction_tasks"][0]
    told = say("mark", task["task_id"][:14], "exclude", "--note", "too easy", "--person", "ada")
    assert told == f"task {task['task_id']}: exclude by ada\n"
    assert "marked exclude by ada" in say("show", task["task_id"])
    with pytest.raises(StoreError, match="no mark"):
        say("mark", task["task_id"], "like")


def test_one_file_is_tried_from_start_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the recorded model of the bundled sample, on one of its files."""
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path))
    told = say("try", str(INSTALLED_ROOT / "samples" / "puzzles_and_games" / "grids" / "islands.py"))
    for part in ("a function", "def main_solution(grid)", "pair 1: ", "predict the input", "turn 1: wrong", "turn 2: "):
        assert part in told, part
    assert told.splitlines()[-1].endswith("right at turn 1, 0 after revision")
    assert not (tmp_path / "warehouse").exists(), "nothing is stored"


def _page(address: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.URLError:  # it says where it is just before it listens
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_browser_is_served_beside_another_project(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        tiny.write(Warehouse(tmp_path / name / "warehouse"), tiny.tables())
    environment = os.environ | {"CODEIO_HOME": str(tmp_path / "ours"), "CODEIO_PERSON": "ada"}
    command = [sys.executable, "-m", "codeio_assets.cli", "browse", "--port", "0", "--beside", str(tmp_path / "theirs")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            line = running.stdout.readline()
            assert "(marks as ada; stop with Ctrl-C)" in line
            assert str(tmp_path / "theirs") in _page(f"{line.split()[0]}/compare")
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(120) == 130
