"""The package for `verifiers`: what it holds, and what the real library does with it in an environment of its own."""

import ast
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.products.export_verifiers import export_verifiers
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.rewards import Question, RewardJudge
from codeio_assets.store import StoreError
from codeio_assets_tests.products.streaming_server import streaming_server
from codeio_assets_tests.products.test_export_rl import EVERYTHING, judge, true_pairs
from codeio_assets_tests.steps.answered_tasks import Task, fill

__all__ = ["judge"]
SQL = Project.find().sql
PYTHON = os.environ.get("CODEIO_VERIFIERS_PYTHON", "")
HOW = "set CODEIO_VERIFIERS_PYTHON to the interpreter of an environment with verifiers, or run `make test-verifiers`"
TASKS = [Task(n, direction=direction) for n in range(12) for direction in ("input", "output")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, judge: RewardJudge) -> Path:
    base = tmp_path_factory.mktemp("verifiers")
    warehouse = true_pairs(fill(base / "warehouse", TASKS))
    export_verifiers(warehouse, EVERYTHING, SQL, judge, base / "out", package="my_tasks")
    return base / "out"


def tasks_of(folder: Path, side: str = "train") -> list[dict[str, Any]]:
    return pl.read_parquet(folder / "my_tasks" / "data" / f"{side}.parquet").to_dicts()


def test_it_is_a_package_with_its_data(exported: Path) -> None:
    project = tomllib.loads((exported / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["description"][:8]) == ("my-tasks", "24 tasks")
    assert {"verifiers>=0.4,<0.5", "codeio-assets"} <= set(project["dependencies"])
    code = (exported / "my_tasks" / "taskset.py").read_text()
    names = {node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)}
    assert {"CodeioTask", "CodeioTaskset"} <= names
    assert 'split: Literal["train", "validation"] = "train"' in code or "Literal[" in code
    assert "$" not in code
    assert sum(len(tasks_of(exported, path.stem)) for path in (exported / "my_tasks" / "data").iterdir()) == 24
    readme = (exported / "README.md").read_text()
    assert "vf-validate my-tasks" in readme
    assert "all earn 1" in readme


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "os.path", ""])
def test_a_name_must_be_one(name: str, judge: RewardJudge, tmp_path: Path) -> None:
    warehouse = true_pairs(fill(tmp_path / "warehouse", TASKS[:2]))
    with pytest.raises(StoreError, match="is no name of a package"):
        export_verifiers(warehouse, EVERYTHING, SQL, judge, tmp_path / "out", package=name)


def run_tool(site: Path, tool: str, *arguments: str) -> str:
    """Run a command of verifiers with the exported package and our own tree in its sight."""
    tools = Path(PYTHON).parent
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": f"{site}:{INSTALLED_ROOT}",
        "NO_KEY": "none",
    }
    line = [str(tools / tool), "my-tasks", *arguments, "--no-rich", "-c", "4"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=site, timeout=500)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def site(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed by pip."""
    if not PYTHON:
        pytest.skip(HOW)
    target = tmp_path_factory.mktemp("site")
    line = [PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target, exported]
    subprocess.run(line, check=True, capture_output=True, timeout=300)
    return target


@pytest.mark.verifiers
def test_its_validation_finds_all_our_answers_right(exported: Path, site: Path, tmp_path: Path) -> None:
    told = run_tool(site, "vf-validate", "--runtime.type", "subprocess", "-o", str(tmp_path))
    summary = json.loads(told[told.index("{\n") :])
    count = len(tasks_of(exported))
    assert (summary["valid_rate"], summary["total"], summary["terminal"]) == (1.0, count, count)
    [results] = tmp_path.rglob("results.jsonl")
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [row["gold"]["valid"] for row in rows] == [True] * count
    assert [row["noop"]["rewards"] for row in rows] == [{"correct": 0.0}] * count


@pytest.mark.verifiers
def test_its_evaluation_gives_the_rewards_that_we_compute(
    exported: Path, site: Path, judge: RewardJudge, tmp_path: Path
) -> None:
    tasks = tasks_of(exported)
    wrong = ['{"output": null}', '{"input": {"a": 1}}', "I do not know."]
    answers = {
        task["prompt"][0]["content"]: task["answer"] if n % 2 else f"So {wrong[n // 2 % 3]}"
        for n, task in enumerate(tasks)
    }
    with streaming_server(answers) as url:
        arguments = ["--env.agent.harness.id", "null", "--env.agent.runtime.type", "subprocess", "-m", "stand-in"]
        arguments += ["--client.base-url", url, "--client.api-key-var", "NO_KEY", "--no-push", "-o", str(tmp_path)]
        run_tool(site, "vf-eval", *arguments)
    [path] = tmp_path.rglob("traces.jsonl")
    traces = [trace for line in path.read_text().splitlines() for trace in json.loads(line)["traces"]]
    questions = [Question(task["direction"], task["target"], task["reference_code"]) for task in tasks]
    ours = judge.judge(questions, [answers[task["prompt"][0]["content"]] for task in tasks])
    theirs = {trace["task"]["key"]: trace["rewards"]["correct"]["score"] for trace in traces}
    assert theirs == {task["task_id"]: reward.value for task, reward in zip(tasks, ours, strict=True)}
    assert set(theirs.values()) == {0.0, 1.0}
    assert [trace["errors"] for trace in traces] == [[]] * len(tasks)
