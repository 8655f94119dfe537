"""The commands as a user runs them: JSONL in, JSONL out, exit codes. In this process where that changes nothing."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from codeio_assets.cli import main

FOUR_SECTIONS = """## Main Function
```python
def main_solution(items):
    {body}
```
## Input Output Description
Input: `items` (list of int). Output: `return` (int).
## Input Generator
```python
import random

def input_generator():
    return {{"items": [random.randint(0, 9) for _ in range(random.randint(2, 5))]}}
```
## Problem Statement
What is the result for `items`?
"""


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def codeio(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["codeio", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


class TestRun:
    def test_outcomes_come_in_the_order_of_the_input_with_its_ids(self, codeio, tmp_path: Path) -> None:
        slow = "def main_solution(a):\n    for _ in range(10**6): pass\n    return a"
        programs = [
            {
                "id": number,
                "code": slow if number % 5 == 0 else "def main_solution(a): return a",
                "calls": [{"a": number}],
            }
            for number in range(20)
        ]
        out = tmp_path / "out.jsonl"
        assert codeio("run", write(tmp_path / "in.jsonl", *programs), "--out", out) == 0
        assert [(row["id"], row["outcomes"][0]["value"]) for row in read(out)] == [(n, n) for n in range(20)]

    def test_each_call_has_an_outcome_and_the_entry_can_be_named(self, codeio, tmp_path: Path) -> None:
        row = {"id": "x", "code": "def f(a): return 1 / a", "entry": "f", "calls": [{"a": 2}, {"a": 0}, {}]}
        out = tmp_path / "out.jsonl"
        assert codeio("run", write(tmp_path / "in.jsonl", row), "--out", out) == 0
        outcomes = read(out)[0]["outcomes"]
        assert [outcome["status"] for outcome in outcomes] == ["ok", "exception", "exception"]
        assert [outcome["error_type"] for outcome in outcomes] == [None, "ZeroDivisionError", "TypeError"]

    def test_limits_are_those_that_were_asked_for(self, codeio, tmp_path: Path) -> None:
        row = {"id": 1, "code": "def main_solution():\n    while True: pass", "calls": [{}]}
        out = tmp_path / "out.jsonl"
        assert codeio("run", write(tmp_path / "in.jsonl", row), "--out", out, "--cpu-seconds", 0.2) == 0
        (outcome,) = read(out)[0]["outcomes"]
        assert outcome["status"] == "timeout"
        assert outcome["cpu_s"] < 2

    def test_pipes(self) -> None:
        line = json.dumps({"id": 7, "code": "def main_solution(): return [1]", "calls": [{}]})
        command = [sys.executable, "-c", "from codeio_assets.cli import main; main()", "run", "-"]
        shown = subprocess.run(command, input=line, capture_output=True, text=True, check=True)
        assert json.loads(shown.stdout)["outcomes"][0]["value"] == [1]


class TestSample:
    def test_every_response_ends_in_functions_or_rejections(self, codeio, tmp_path: Path) -> None:
        rows = [
            {"id": "sum", "response": FOUR_SECTIONS.format(body="return sum(items)")},
            {"id": "constant", "response": FOUR_SECTIONS.format(body="return 1")},
            {"id": "random", "response": FOUR_SECTIONS.format(body="import random; return random.random()")},
            {"id": "prose", "response": "I cannot do that."},
        ]
        folder = tmp_path / "out"
        arguments = ("--out-dir", folder, "--pairs", 3, "--draws", 40)
        assert codeio("sample", write(tmp_path / "in.jsonl", *rows), *arguments) == 0
        assert [row["id"] for row in read(folder / "functions.jsonl")] == ["sum"]
        pairs = read(folder / "pairs.jsonl")
        assert len(pairs) == 3
        assert all(sum(pair["input"]["items"]) == pair["output"] and pair["id"] == "sum" for pair in pairs)
        assert {row["id"]: row["reason"] for row in read(folder / "rejections.jsonl")} == {
            "constant": "degenerate",
            "random": "nondeterministic_random",
            "prose": "missing_main_function",
        }


class TestJudge:
    FUNCTION = {"id": "f", "code": "def main_solution(a):\n    return a * a"}  # noqa: RUF012

    def judged(self, codeio, tmp_path: Path, *responses: tuple[str, str], rule: str = "default") -> list[dict]:
        rows = [
            {"id": number, "function_id": "f", "direction": direction, "input": {"a": 3}, "output": 9, "response": text}
            for number, (direction, text) in enumerate(responses)
        ]
        functions = write(tmp_path / "functions.jsonl", self.FUNCTION)
        out = tmp_path / "out.jsonl"
        predictions = write(tmp_path / "in.jsonl", *rows)
        assert codeio("judge", predictions, "--functions", functions, "--out", out, "--rule", rule) == 0
        return read(out)

    def test_both_directions(self, codeio, tmp_path: Path) -> None:
        found = self.judged(
            codeio,
            tmp_path,
            ("output", 'So {"output": 9}'),
            ("input", '{"input": {"a": -3}}'),
            ("input", '{"input": {"a": 4}}'),
            ("input", '{"input": {"b": 4}}'),
            ("output", "nine"),
        )
        assert [row["status"] for row in found] == ["correct", "correct", "wrong", "exception", "no_answer"]
        assert [row["id"] for row in found] == list(range(5))
        assert found[2]["executed_output"] == 16
        assert "TypeError" in found[3]["feedback"]
        assert found[0]["feedback"] == "Success"

    def test_the_paper_rule_is_named(self, codeio, tmp_path: Path) -> None:
        (row,) = self.judged(codeio, tmp_path, ("output", '{"output": 8.9999}'), rule="paper")
        assert (row["status"], row["rule_version"].split("-")[0]) == ("wrong", "paper")

    def test_an_unknown_function_is_told(self, codeio, tmp_path: Path, capsys) -> None:
        row = {"id": 1, "function_id": "g", "direction": "input", "output": 1, "response": '{"input": {}}'}
        functions = write(tmp_path / "functions.jsonl", self.FUNCTION)
        out = tmp_path / "out.jsonl"
        assert codeio("judge", write(tmp_path / "in.jsonl", row), "--functions", functions, "--out", out) == 2
        assert "no function has the id 'g'" in capsys.readouterr().err


def test_extract_takes_the_last_object_with_the_key(codeio, tmp_path: Path) -> None:
    rows = [{"id": 1, "response": '{"answer": 1} no, {"answer": [2]}'}, {"id": 2, "response": "none"}]
    out = tmp_path / "out.jsonl"
    assert codeio("extract", write(tmp_path / "in.jsonl", *rows), "--key", "answer", "--out", out) == 0
    assert read(out) == [{"id": 1, "found": True, "value": [2]}, {"id": 2, "found": False, "value": None}]


def test_audit_names_the_cause(codeio, tmp_path: Path, capsys) -> None:
    def recorded(code: str, given: dict, output: object) -> dict:
        return {"refcode": code, "funcname": "main_solution", "ios": [{"input": given, "output": output}]}

    rows = [
        recorded("def main_solution(a): return a + 1", {"a": 1}, 2),
        recorded("def main_solution(a):\n    a.sort()\n    return a[0]", {"a": [2, 1]}, 7),
        recorded("import random\ndef main_solution(a): return random.random()", {"a": 1}, 0.5),
        recorded("import time\ndef main_solution(a): return time.time()", {"a": 1}, 1.0),
        recorded("def main_solution(a): return list({'x', 'y', 'z', a})", {"a": "w"}, []),
        recorded("import nowhere\ndef main_solution(a): return a", {"a": 1}, 1),
        recorded("def main_solution(a): return 1 / a", {"a": 0}, 1),
        recorded("def main_solution(a): return a", {"a": 1}, 2),
    ]
    out = tmp_path / "out.jsonl"
    assert codeio("audit", write(tmp_path / "in.jsonl", *rows), "--out", out) == 0
    assert {row["function"]: row["cause"] for row in read(out)} == {
        1: "argument_mutation",
        2: "random",
        3: "time",
        4: "hash_order",
        5: "missing_import",
        6: "error",
        7: "global_state_or_other_code",
    }
    assert "reproduces" in capsys.readouterr().err


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("{", ":1: is not JSON"),
            ('{"id": 1}', ":1: `code`: field required"),
            ('\n{"id": 1, "code": "", "calls": [1]}', ":2: `calls.0`: input should be a valid dictionary"),
            ("[]", ":1: `the line`: input should be"),
            ("\xff", ":1: is not JSON"),
        ],
    )
    def test_a_bad_line_is_named(self, codeio, tmp_path: Path, capsys, text: str, told: str) -> None:
        path = tmp_path / "in.jsonl"
        path.write_bytes(text.encode("latin-1"))
        assert codeio("run", path, "--out", tmp_path / "out.jsonl") == 2
        words = capsys.readouterr().err
        assert told in words
        assert "Traceback" not in words

    def test_a_missing_file(self, codeio, tmp_path: Path, capsys) -> None:
        assert codeio("extract", tmp_path / "absent.jsonl") == 2
        assert "absent.jsonl: cannot be read" in capsys.readouterr().err

    def test_a_place_that_cannot_be_written(self, codeio, tmp_path: Path, capsys) -> None:
        (tmp_path / "file").write_text("")
        path = write(tmp_path / "in.jsonl", {"id": 1, "response": ""})
        assert codeio("extract", path, "--out", tmp_path / "file" / "out.jsonl") == 2
        assert "cannot be written" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [("judge", "x"), ("sample", "x"), ("run", "--workers", "0", "x"), ("nonsense",)]
    )
    def test_bad_usage(self, codeio, arguments: tuple[str, ...]) -> None:
        assert codeio(*arguments) == 2


class TestOutputFiles:
    def test_bad_input_in_the_middle_leaves_the_old_file(self, codeio, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        out.write_text("old\n")
        (tmp_path / "in.jsonl").write_text('{"id": 1, "response": ""}\nnonsense\n')
        assert codeio("extract", tmp_path / "in.jsonl", "--out", out) == 2
        assert out.read_text() == "old\n"
        assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}

    def test_a_new_file_can_be_read_by_whom_the_mask_allows(self, codeio, tmp_path: Path) -> None:
        out, usual = tmp_path / "out.jsonl", tmp_path / "usual"
        usual.touch()
        assert codeio("extract", write(tmp_path / "in.jsonl", {"id": 1, "response": ""}), "--out", out) == 0
        assert out.stat().st_mode == usual.stat().st_mode

    def test_a_folder_is_no_output(self, codeio, tmp_path: Path, capsys) -> None:
        path = write(tmp_path / "in.jsonl", {"id": 1, "response": ""})
        assert codeio("extract", path, "--out", tmp_path) == 2
        assert "it is a folder" in capsys.readouterr().err

    def test_an_interrupt_is_clean(self, tmp_path: Path) -> None:
        sleeping = {"id": 1, "code": "import time\ndef main_solution(): time.sleep(25)", "calls": [{}] * 100}
        path, out = write(tmp_path / "in.jsonl", *[sleeping] * 4), tmp_path / "out.jsonl"
        command = [sys.executable, "-c", "from codeio_assets.cli import main; main()", "run", str(path)]
        with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True) as running:
            process = psutil.Process(running.pid)
            wait_until(lambda: any(child.name().startswith("python") for child in process.children(recursive=True)))
            below = process.children(recursive=True)
            running.send_signal(signal.SIGINT)
            _, words = running.communicate(timeout=60)
        assert running.returncode == 130
        before_it_began, later = "codeio: stopped\n", "codeio: stopped; output files are as they were before\n"
        assert words in {before_it_began, later}
        assert not out.exists()
        wait_until(lambda: not any(each.is_running() for each in below))
        assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def wait_until(holds: Callable[[], bool], patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def test_two_functions_with_one_id_are_refused(codeio, tmp_path: Path, capsys) -> None:
    functions = write(tmp_path / "functions.jsonl", {"id": "f", "code": ""}, {"id": "f", "code": "x"})
    predictions = write(tmp_path / "in.jsonl")
    assert codeio("judge", predictions, "--functions", functions, "--out", tmp_path / "out.jsonl") == 2
    assert "functions.jsonl: the id 'f' stands twice" in capsys.readouterr().err


def test_the_audit_is_told_as_a_table_and_as_json(codeio, tmp_path: Path, capsys) -> None:
    pairs = [{"input": {"a": 1}, "output": 1}, {"input": {"a": 0}, "output": 1}]
    rows = [{"refcode": "def main_solution(a): return 1 / a", "funcname": "main_solution", "ios": pairs}]
    path = write(tmp_path / "in.jsonl", *rows)
    assert codeio("audit", path, "--out", tmp_path / "out.jsonl", "--json") == 0
    assert json.loads(capsys.readouterr().err) == {
        "pairs": 2,
        "results": [
            {"result": "reproduces", "pairs": 1, "pairs_ratio": 0.5, "functions": 0},
            {"result": "error", "pairs": 1, "pairs_ratio": 0.5, "functions": 1},
        ],
    }
    assert codeio("audit", path, "--out", tmp_path / "out.jsonl") == 0
    assert "error                              1   50.00%          1" in capsys.readouterr().err
