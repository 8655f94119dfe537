"""`codeio score` and `codeio leakage` as a user runs them: published fields in, verdicts out, faults in one line."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.cli import main

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


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestScore:
    def test_verdicts_come_in_order_with_the_ids_and_the_figure_is_the_last_line(
        self, codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        rows = [
            {"id": "gsm8k-main-test-#7", "answer": "# 75", "response": '{"reasoning": "x", "answer": "75.00 miles"}'},
            {"id": "gsm8k-main-test-#3", "answer": "# 1200", "response": "So \\boxed{\\$1,200}"},
            {"id": "a", "answer": "# 5", "response": "It is 6.\n#### 6"},
            {"id": "b", "answer": "# 5", "response": "I do not know."},
            {"id": "c", "answer": "# 5", "response": "First, 1 + 2 is", "finish_reason": "length"},
            {"id": "d", "answer": "# 5", "response": None},
        ]
        out = tmp_path / "out.jsonl"
        assert codeio("score", "gsm8k", write(tmp_path / "in.jsonl", *rows), "--out", out) == 0
        verdicts = read(out)
        assert [row["id"] for row in verdicts] == [row["id"] for row in rows]
        assert [row["status"] for row in verdicts] == [
            "correct",
            "correct",
            "wrong",
            "no_answer",
            "truncated",
            "no_answer",
        ]
        assert [row["score"] for row in verdicts] == [1, 1, 0, 0, 0, 0]
        assert verdicts[0]["extracted"] == "75.00 miles"
        assert capfd.readouterr().out.splitlines()[-1] == "gsm8k: 33.33"

    @pytest.mark.parametrize(
        ("benchmark", "row", "status", "score"),
        [
            ("winogrande", {"qID": "sample-1", "response": "The answer is (B)."}, "correct", 1),
            ("drop", {"query_id": "sample_1_2", "response": "She did.\nAnswer: Ana Ruiz"}, "correct", 1),
            ("drop", {"query_id": "sample_1_2", "prediction": ["Ruiz"]}, "wrong", 0.67),
            ("math", {"id": 1, "response": "It is $\\boxed{0.375}$."}, "correct", 1),
            ("gpqa", {"id": "sample-1", "response": "The answer is 20 m."}, "correct", 1),
            ("mmlu_stem", {"id": "2", "response": "**B**"}, "correct", 1),
            ("leetcode_o", {"id": "sample-longest-word/zh/0", "response": '{"output": 5}'}, "correct", 1),
            ("cruxeval_input", {"id": "sample_1", "response": "f('netpla', 4)"}, "wrong", 0),
            ("cruxeval_input", {"id": "sample_1", "response": "[ANSWER]f('anetpl', 6)[/ANSWER]"}, "correct", 1),
            ("cruxeval_output", {"id": "sample_0", "response": "[ANSWER](12, 3)[/ANSWER]"}, "correct", 1),
            ("cruxeval_output", {"id": "sample_0", "response": "[12, 3]"}, "wrong", 0),
            ("bbh_en", {"task": "object_counting", "index": 0, "response": "So the answer is **4**."}, "correct", 1),
            ("bbh_zh", {"task": "object_counting", "index": 1, "response": "所以答案是3。"}, "correct", 1),
            ("korbench", {"category": "puzzle", "idx": "1", "response": "[[8+3*2=14]]"}, "correct", 1),
            ("korbench", {"category": "puzzle", "idx": "1", "response": "[[8*3/2=14]]"}, "wrong", 0),
            ("livebench", {"question_id": "sample-connections", "response": "**pear,plum,fig,kiwi**"}, "wrong", 0.5),
            ("livebench", {"question_id": "unknown", "response": "x"}, "no_gold", None),
        ],
    )
    def test_every_benchmark_from_files_of_its_own_form(
        self, codeio: Codeio, tmp_path: Path, benchmark: str, row: dict, status: str, score: float | None
    ) -> None:
        out = tmp_path / "out.jsonl"
        assert codeio("score", benchmark, write(tmp_path / "in.jsonl", row), "--out", out, "--data", SAMPLES) == 0
        [verdict] = read(out)
        assert (verdict["status"], verdict["score"]) == (status, score)
        assert {name: verdict[name] for name in row if name not in ("response", "prediction")} == {
            name: row[name] for name in row if name not in ("response", "prediction")
        }

    def test_zebralogic_tells_cells(self, codeio: Codeio, tmp_path: Path) -> None:
        solution = {"House 1": {"Name": "max", "Pet": ["Cat"]}, "House 2": {"Name": "Eva", "Pet": 7}}
        row = {"id": "sample-2x2-0", "response": f"So:\n{json.dumps({'solution': solution})}"}
        out = tmp_path / "out.jsonl"
        assert codeio("score", "zebralogic", write(tmp_path / "i.jsonl", row), "--out", out, "--data", SAMPLES) == 0
        [verdict] = read(out)
        assert (verdict["status"], verdict["n_right_cells"], verdict["n_cells"]) == ("wrong", 3, 4)

    def test_cruxevals_own_file_of_samples_and_compressed_lines(
        self, codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        samples = tmp_path / "samples.json"
        samples.write_text(
            json.dumps({"sample_0": ["(12, 3)", "(12, 4)"], "sample_2": ["{'b': 1, 'a': 2}", "dict(a=2, b=1)"]})
        )
        out = tmp_path / "out.jsonl"
        assert codeio("score", "cruxeval_output", samples, "--out", out, "--data", SAMPLES) == 0
        assert [(row["id"], row["sample"], row["score"]) for row in read(out)] == [
            ("sample_0", 0, 1), ("sample_0", 1, 0), ("sample_2", 0, 1), ("sample_2", 1, 1),
        ]  # fmt: skip
        packed = tmp_path / "in.jsonl.gz"
        packed.write_bytes(gzip.compress(json.dumps({"id": "x", "answer": "5", "response": "#### 5"}).encode()))
        assert codeio("score", "gsm8k", packed, "--out", out) == 0
        assert capfd.readouterr().out.splitlines()[-1] == "gsm8k: 100.00"

    @pytest.mark.parametrize(
        ("arguments", "row", "told"),
        [
            (["gsm9k"], {"id": "1", "response": ""}, "there is no benchmark 'gsm9k'; there are winogrande, drop"),
            (["gsm8k"], {"id": "1"}, "needs `response` or `prediction`"),
            (["gsm8k"], {"id": "1", "response": 5}, "`response`"),
            (["gsm8k"], {"response": "5"}, "`id`: field required"),
            (["gsm8k"], [1], "in.jsonl:1"),
            (["korbench"], {"category": "logic", "idx": "1", "response": ""}, "give --data FOLDER"),
            (["korbench", "--data", "/nonexistent"], {"category": "logic", "idx": "1", "response": ""}, "/nonexistent"),
        ],
    )
    def test_faults_are_one_line(
        self, codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list, row: object, told: str
    ) -> None:
        name, *rest = arguments
        code = codeio("score", name, write(tmp_path / "in.jsonl", row), "--out", tmp_path / "out.jsonl", *rest)
        text = capfd.readouterr().err.strip()
        assert code == 2
        assert told in text
        assert len(text.splitlines()) == 1
        assert not (tmp_path / "out.jsonl").exists()


class TestLeakage:
    QUESTION = "a farmer has seven brown cows and sells three of them at the market on a Friday"

    def test_a_line_per_question_in_order(self, codeio: Codeio, tmp_path: Path) -> None:
        questions = write(
            tmp_path / "q.jsonl",
            {"id": "q1", "text": self.QUESTION},
            {"id": 2, "text": "how many words of this question about boats and rivers are in the training texts today"},
            {"id": "q3", "text": "too short"},
        )
        texts = write(
            tmp_path / "t.jsonl",
            {"id": "t0", "text": "nothing"},
            {"id": "t1", "text": f"Before. {self.QUESTION.upper().replace(' ', ',  ')}! After."},
        )
        out = tmp_path / "out.jsonl"
        assert codeio("leakage", texts, "--questions", questions, "--out", out) == 0
        found = read(out)
        assert [(row["id"], row["leaked"], row["hits"], row["text_id"]) for row in found] == [
            ("q1", True, 5, "t1"), (2, False, 0, None), ("q3", False, 0, None),
        ]  # fmt: skip
        assert found[0]["span"].lower().replace(",", " ").split() == self.QUESTION.lower().split()[:13]
        assert found[2]["short"]

    def test_n_is_an_option(self, codeio: Codeio, tmp_path: Path) -> None:
        questions = write(tmp_path / "q.jsonl", {"id": 1, "text": "one two three four five"})
        texts = write(tmp_path / "t.jsonl", {"id": 1, "text": "zero one two three"})
        out = tmp_path / "out.jsonl"
        assert codeio("leakage", texts, "--questions", questions, "--out", out, "--n", 3) == 0
        assert read(out)[0]["leaked"]

    def test_tokens_need_a_tokenizer(self, codeio: Codeio, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        lines = write(tmp_path / "t.jsonl", {"id": 1, "text": "x"})
        assert codeio("leakage", lines, "--questions", lines, "--unit", "tokens") == 2
        assert "--unit tokens and --tokenizer go together" in capfd.readouterr().err
