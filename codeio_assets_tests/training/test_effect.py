"""`make effect` at the size of a stand-in: every step of it, and what its figures count."""

import ast
import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def effect(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("effect")


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("effect_functions")


def test_functions_are_distinct_reproducible_and_run_on_what_they_draw(functions: ModuleType) -> None:
    made = functions.variants(20)
    assert {one.family for one in made} == set(functions.FAMILIES)
    assert len({one.code for one in made}) == len(made) == 20 * len(functions.FAMILIES)
    assert made == functions.variants(20)
    assert made == functions.variants(25)[: len(made)]
    assert made != functions.variants(20, seed=1)
    for one in made:
        names: dict = {"random": random.Random(0)}
        exec(one.code, names)  # our own code
        assert names["main_solution"](eval(one.draw, names)) is not None, one.code
        ast.parse(one.file)


def test_a_project_takes_more_functions_and_never_fewer(
    effect: ModuleType, functions: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "project" / "functions.jsonl"
    file.parent.mkdir()
    effect._write_functions(file, functions.variants(2))
    effect._write_functions(file, functions.variants(3))
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3 * len(functions.FAMILIES)
    with pytest.raises(SystemExit, match="--to"):
        effect._write_functions(file, functions.variants(2))


def test_a_question_without_a_value_is_not_readable_and_a_wrong_one_is(effect: ModuleType) -> None:
    statuses = {"base": ["no_answer", "no_answer", "wrong"], "stage1": ["correct", "wrong", "correct"]}
    rows = [effect.Answered("sums", model, status) for model, given in statuses.items() for status in given]
    rows += [effect.Answered("sums", model, None, 10.0 * rank, 10) for rank, model in enumerate(statuses, start=1)]
    rows.append(effect.Answered(effect.SAMPLE, "stage1", "wrong"))
    counted = effect.count(rows)
    before, after = counted["sums"]["base"], counted["sums"]["stage1"]
    assert [round(of.readable[0], 2) for of in (before, after)] == [0.33, 1.0]
    assert [round(of.right[0], 2) for of in (before, after)] == [0.0, 0.67]
    assert [of.loss[0] for of in (before, after)] == [1.0, 2.0]
    low, high = after.right[1:]
    assert 0.2 < low < 0.67 < high < 0.95
    assert counted[effect.ALL]["stage1"] == after, "the bundled sample stays out of the sum of what was generated"
    assert counted[effect.SAMPLE]["base"].right is None
    drawn = {(line.name, line.xaxis): dict(zip(line.y, line.x, strict=True)) for line in effect.plot(counted).data}
    assert drawn["before", "x3"]["sums (3)"] == 0.0
    assert round(drawn["after", "x3"]["sums (3)"], 2) == 0.67
    assert drawn["after", "x"]["sums (3)"] == 2.0


@pytest.mark.timeout(1800)  # fifteen assets, and two processes that import torch
def test_one_step_goes_all_the_way_from_functions_to_the_plot(tiny_model: Path, tmp_path: Path) -> None:
    line = [sys.executable, str(TOOLS / "effect.py"), "--functions", "3", "--steps", "1", "--questions", "4"]
    done = subprocess.run(
        [*line, "--model", str(tiny_model), "--without-sample", "--to", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "effect.json").read_text(encoding="utf-8"))
    every = figures["families"]["all generated"]
    assert figures["budget"]["steps"] == 1
    assert every["base"]["questions"] == every["stage1"]["questions"] > 0
    assert every["base"]["loss"] is not None
    page = (tmp_path / "effect.html").read_text(encoding="utf-8")
    assert "right answers" in page
    assert len(figures["families"]) > 1
    assert all(name in page for name in figures["families"])
