"""What differs between two values or texts is marked, and nothing else."""

import json

import pytest

from codeio_assets.browse.differences import Pieces, compare_texts, compare_values, pretty
from codeio_assets.browse.rendering import pieces, python, shown


def marked(parts: Pieces) -> list[str]:
    return [part.text for part in parts if part.what != "same"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [1, 9, 3], ["2"]),
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}, ["2"]),
        ({"a": 1, "b": 2}, {"a": 1}, ['"b": 2']),
        ([1], [1, 2, 3], [" (2 missing)"]),
        ([1, 2], [1], ["2"]),
        (1, "1", ["1"]),
        (True, 1, ["true"]),
        (0.1, 0.1000001, []),
        ({"a": [1]}, {"a": [1]}, []),
        ([], {}, ["[]"]),
        (None, 0, ["null"]),
    ],
)
def test_values(one: object, other: object, expected: list[str]) -> None:
    parts, _ = compare_values(json.dumps(one), json.dumps(other))
    assert marked(parts) == expected
    if not any("missing" in text for text in expected):
        assert json.loads("".join(part.text for part in parts)) == one


def test_long_values_are_laid_out_and_stay_the_same_value() -> None:
    value = {"grid": [["#", "~", "#"] * 3] * 6, "name": "x" * 80, "empty": []}
    text = pretty(json.dumps(value))
    assert json.loads(text) == value
    assert max(len(line) for line in text.splitlines()) < 100
    assert text.count("\n") < 15, "short rows stay on one line"
    parts, _ = compare_values(json.dumps(value), json.dumps({**value, "name": "y"}))
    assert marked(parts) == [json.dumps("x" * 80)]


def test_a_missing_value_marks_nothing() -> None:
    assert [marked(parts) for parts in compare_values("1", None)] == [[], []]


def test_texts() -> None:
    parts = compare_texts("The answer is 5.\nDone.", "The answer is 7.\nDone.")
    assert [(part.what, part.text) for part in parts if part.what != "same"] == [("removed", "5"), ("added", "7")]
    assert "".join(part.text for part in parts if part.what != "removed") == "The answer is 7.\nDone."
    assert compare_texts("", "") == []


def test_long_texts_take_no_time() -> None:
    before = "\n".join(f"line {number} is here" for number in range(20_000))
    after = before.replace("line 777 ", "row 777 ")
    assert [part.text for part in compare_texts(before, after) if part.what == "added"] == ["row 777 is here\n"]


def test_rendering_escapes_and_shows_what_is_hidden() -> None:
    assert "<b>" not in shown("<b>") + pieces(compare_texts("<b>", "<i>")) + python("x = '<b>'")
    assert shown("a\u202eb\x1b[31m") == "a⟦U+202E⟧b⟦U+001B⟧[31m"
    assert "5 characters more" in shown("x" * 15, 10)
