import json
from pathlib import Path

import pytest

from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.tables.data import TABLES
from codeio_assets.core.tables.reasons import AUDIT_RESULTS
from codeio_assets.sandbox import Sandbox
from codeio_assets.sandbox.contract import STATUSES
from codeio_assets.sources.published import published_path, read_published
from codeio_assets.steps.executing import variants_by_cause
from codeio_assets.steps.published_data_audit import Case, audit_published

PLAIN = "def main_solution(a): return a + 1"
RANDOM = "import random\n\ndef main_solution(a): return random.randint(0, 10**9)"
MUTATING = "def main_solution(a):\n    a.append(0)\n    return len(a)"
ABSENT = "import module_of_nobody\n\ndef main_solution(a): return a"
HALF = "def main_solution(a): return a / 2"


def case(number: int, code: str, *pairs: tuple[object, object]) -> Case:
    return Case(number, code, "main_solution", [{"input": {"a": a}, "output": output} for a, output in pairs])


def test_every_pair_is_a_row_with_its_findings(sandbox: Sandbox) -> None:
    result = audit_published(
        [
            case(0, PLAIN, (1, 2), (2, 3), (1, 2)),
            case(1, RANDOM, (1, 17)),
            case(2, MUTATING, ([1, 2, 0], 3)),
            case(3, ABSENT, (1, 1)),
            case(4, PLAIN, (4, 6), ("x", 1)),
            case(5, HALF, (3, 1.5)),
            case(6, "def main_solution(a): return True", (1, True), (2, True)),
            case(7, PLAIN + " "),
        ],
        sandbox,
    )
    table = result.tables["published_data_audit"]
    TABLES["published_data_audit"].validate(table, lazy=True)
    rows = {(row["function_number"], row["pair_index"]): row for row in table.to_dicts()}
    assert {place: row["result"] for place, row in rows.items()} == {
        (0, 0): "reproduces", (0, 1): "reproduces", (0, 2): "reproduces", (1, 0): "random", (2, 0): "argument_mutation",
        (3, 0): "missing_import", (4, 0): "global_state_or_other_code", (4, 1): "error", (5, 0): "reproduces",
        (6, 0): "reproduces", (6, 1): "reproduces",
    }  # fmt: skip
    assert [place for place, row in rows.items() if row["repeats_input"]] == [(0, 2)]
    assert {place for place, row in rows.items() if row["repeats_function"]} == {(4, 0), (4, 1)}
    assert {place for place, row in rows.items() if row["is_degenerate"]} == {(6, 0), (6, 1)}
    assert rows[5, 0]["misjudged"] == "right_called_wrong"
    assert rows[6, 0]["misjudged"] == "wrong_called_right"
    assert rows[4, 0]["now_json"] == "5"
    assert result.info["functions"] == 8
    assert result.info["pairs_by_result"]["reproduces"] == 6  # type: ignore[index]


def test_every_result_is_explained() -> None:
    causes = {cause for cause, _ in variants_by_cause()} | (set(STATUSES) - {"ok", "exception", "infrastructure"})
    rest = {"reproduces", "missing_import", "error", "argument_mutation", "global_state_or_other_code"}
    assert causes | rest == set(AUDIT_RESULTS)


@pytest.mark.parametrize(
    ("line", "message"),
    [("not json", "function 0"), ('{"refcode": "x"}', "ios"), ('{"refcode": "x", "ios": [{"input": 1}]}', "output")],
)
def test_a_line_that_is_no_function_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "published.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(SettingsError, match=message):
        list(read_published(path))


def test_published_functions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "published.jsonl"
    path.write_text(json.dumps({"refcode": PLAIN, "funcname": "f", "ios": [{"input": {"a": 1}, "output": 2}]}) + "\n\n")
    (function,) = read_published(path)
    assert (function.number, function.entry, function.pairs) == (0, "f", [{"input": {"a": 1}, "output": 2}])


def test_without_data_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"set `quality: \{published"):
        published_path(tmp_path, None)
    with pytest.raises(SettingsError, match=r"nothing\.jsonl: no such file"):
        published_path(tmp_path, Path("nothing.jsonl"))
    (tmp_path / "there.jsonl").write_text("")
    assert published_path(tmp_path, Path("nothing.jsonl"), str(tmp_path / "there.jsonl")).name == "there.jsonl"
