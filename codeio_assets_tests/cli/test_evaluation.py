"""`codeio evaluate` against a stand-in server: what it asks, what it writes, and that nothing is asked twice."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.cli import main
from codeio_assets_tests.llm.stub_server import StubServer, answer

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "benchmarks"
Codeio = Callable[..., int]


@pytest.fixture
def codeio(monkeypatch: pytest.MonkeyPatch) -> Codeio:
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["codeio", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def right_answers() -> dict[str, str]:
    """Prompt -> an answer that is right, for the benchmarks of which one can be written from the gold answer."""
    found: dict[str, str] = {}
    for name in ("gsm8k", "math", "mmlu_stem", "bbh_en", "leetcode_o", "gpqa"):
        for question in BENCHMARKS[name].load(SAMPLES):
            gold = json.dumps(question.gold) if name == "leetcode_o" else f"the answer is {question.gold}."
            found[question.prompt] = gold
    return found


def test_a_model_that_knows_some_answers(codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    known = right_answers()
    with StubServer(lambda asked, _: answer(known.get(asked["messages"][0]["content"], "I do not know."))) as server:
        arguments = [
            "evaluate",
            "--model",
            server.base_url,
            "--name",
            "stub-model",
            "--data",
            SAMPLES,
            "--out-dir",
            tmp_path,
        ]
        assert codeio(*arguments) == 0
        n_asked = len(server.asked)
        assert codeio(*arguments) == 0
        assert len(server.asked) == n_asked  # the journal answered
    assert {(asked["temperature"], asked["max_tokens"]) for asked in server.asked} == {(0.0, 2_048)}
    assert not any("stop" in asked for asked in server.asked)
    values = {row["benchmark"]: float(row["value"]) for row in table_of(tmp_path) if row["base"] == "stub-model"}
    assert set(values) == set(BENCHMARKS)
    assert {name: value for name, value in values.items() if value and name != "livebench"} == dict.fromkeys(
        ("gsm8k", "math", "mmlu_stem", "bbh_en", "leetcode_o", "gpqa"), 100.0
    )
    assert "GSM8K: 100.0 (95% 43.9 to 100.0; 3 questions, no answer 0%, truncated 0%)" in capfd.readouterr().out
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert all("response" not in row for row in answers if row["benchmark"] in ("gpqa", "zebralogic"))
    page = (tmp_path / "results.md").read_text()
    assert "| **stub-model** |" in page
    assert "What the scores of stub-model rest on:" in page


def table_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "results.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo"], "give a recipe, or --model"),
        (["--limit", "3", "--benchmark", "bbh"], "there is no benchmark 'bbh'"),
        (["--benchmark", "gsm9k"], "there is no benchmark 'gsm9k'"),
        (["--data", "/nonexistent"], "has the data of no benchmark"),
    ],
)
def test_faults_are_one_line(
    codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    base = ["evaluate", "--model", "http://127.0.0.1:9/v1", "--name", "m", "--data", SAMPLES, "--out-dir", tmp_path]
    assert codeio(*base, *arguments) == 2
    text = capfd.readouterr().err.strip()
    assert told in text
    assert len(text.splitlines()) == 1


def test_options_of_a_server_are_refused_with_a_recipe(codeio: Codeio, capfd: pytest.CaptureFixture[str]) -> None:
    assert codeio("evaluate", "demo", "--timeout-s", "5") == 2
    assert "--timeout-s go with --model, not a recipe" in capfd.readouterr().err
