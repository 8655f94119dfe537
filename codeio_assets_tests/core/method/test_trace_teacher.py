import ast
import re

import pytest

from codeio_assets.core.method.cot_quality import Cot, find_flaws
from codeio_assets.core.method.expression_words import condition_in_words, in_words
from codeio_assets.core.method.grounding import ground
from codeio_assets.core.method.trace_teacher import Lesson, walk
from codeio_assets.core.method.trace_wording import WORDINGS, told_value
from codeio_assets.core.method.verdicts import judge_output, read_input_answer
from codeio_assets.core.settings.quality import CotRules
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets_tests.core.method.traced import trace_of

LOOP = """\
def main_solution(numbers):
    total = 0
    for n in numbers:
        if n % 2 == 0:
            total += double(n)
        else:
            continue
    while total > 10:
        total -= 10
    return {"total": total}

def double(n):
    m = n * 2
    return m
"""


def lesson_of(code: str, direction: str = "output", key: str = "k", **arguments: object) -> tuple[Lesson, str | None]:
    trace = trace_of(code, **arguments)
    lesson = Lesson(key, direction, code, canonical_json(arguments), trace.result_json or "")  # type: ignore[arg-type]
    return lesson, walk(lesson, trace)


def test_a_walk_tells_the_steps_in_the_order_in_which_they_end() -> None:
    _, text = lesson_of(LOOP, numbers=[1, 6])
    assert text is not None
    facts = re.findall(r"`(\w+)` (?:=|gives|comes to|is) (\[.*?\]|\d+)", text)
    assert facts == [
        ("numbers", "[1, 6]"), ("total", "0"), ("n", "1"), ("n", "6"), ("n", "6"), ("m", "12"), ("double", "12"),
        ("total", "12"), ("total", "2"),
    ]  # fmt: skip
    assert text.endswith('\n\n{"output": {"total":2}}')
    assert "the remainder of `n` divided by 2" in text


@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_a_walk_is_a_right_and_faultless_response(direction: str, key: str) -> None:
    lesson, text = lesson_of(LOOP, direction, key, numbers=[4, 1, 10])
    assert text is not None
    if direction == "output":
        assert judge_output("answered", text, lesson.output_json).status == "correct"
    else:
        assert read_input_answer("answered", text) == lesson.input_json
    flaws = find_flaws(Cot(text=text, direction=direction, reference_code=LOOP), CotRules())
    assert not any(getattr(flaws, name) for name in flaws.__slots__), flaws


def test_what_a_walk_says_is_grounded_in_its_trace() -> None:
    trace = trace_of(LOOP, numbers=[4, 1, 10])
    _, text = lesson_of(LOOP, numbers=[4, 1, 10])
    found = ground(text or "", trace)
    assert found.statements > 8
    assert found.ungrounded == ()


def test_the_same_task_has_the_same_text_and_another_task_another() -> None:
    texts = {key: lesson_of(LOOP, key=key, numbers=[4, 1, 10])[1] for key in "abcdefgh"}
    assert len(set(texts.values())) == 8
    assert lesson_of(LOOP, key="a", numbers=[4, 1, 10])[1] == texts["a"]


def test_rounds_of_a_long_loop_are_left_out_and_their_outcome_told() -> None:
    code = (
        "def main_solution(n):\n    total = 0\n    for k in range(n):\n        total += k\n"
        "        for j in range(2):\n            total += 1\n    return total\n"
    )
    _, text = lesson_of(code, n=40)
    assert text is not None
    assert len(text.splitlines()) < 60
    assert re.search(r"\b36\b.*\brounds\b.*`k` = 38", text)
    assert "`k` = 39" in text
    assert "`k` = 20" not in text
    assert text.endswith('{"output": 860}')


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("def main_solution(n):\n    return n if n < 2 else main_solution(n - 1) + main_solution(n - 2)\n", {"n": 12}),
        (
            "def main_solution(n):\n    out = ''\n    for k in range(n):\n        out += str(k)\n    return out\n",
            {"n": 3000},
        ),
    ],
)
def test_what_is_too_long_or_cut_is_not_told(code: str, arguments: dict[str, int]) -> None:
    assert lesson_of(code, **arguments)[1] is None


def test_an_answer_does_not_come_from_nowhere() -> None:
    """What happens in a list that is too long to be told cannot be followed by a reader."""
    code = "def main_solution(n):\n    w = [0] * 200\n    for k in range(n):\n        w[-k] = 1\n    return sum(w)\n"
    assert lesson_of(code, n=4)[1] is None
    assert lesson_of(code.replace("200", "5"), n=4)[1] is not None


def test_a_trace_that_ends_elsewhere_is_not_told() -> None:
    lesson = Lesson("k", "output", LOOP, '{"numbers":[1]}', '{"total":1}')
    assert walk(lesson, trace_of(LOOP, numbers=[1])) is None


def test_every_kind_of_sentence_has_several_wordings() -> None:
    assert [kind for kind, texts in WORDINGS.items() if len(set(texts)) < 2] == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a + 1", "`a` plus 1"),
        ("(a + b) * c", "(`a` plus `b`) times `c`"),
        ("len(x) // 2", "the whole part of the number of items in `x` divided by 2"),
        ("x[i][-1]", "the entry of the entry of `x` at `i` at minus 1"),
        ("x[1:n]", "the part of `x` from 1 up to before `n`"),
        ("x[::2]", None),
        ("0 < a <= b", "0 is less than `a` and `a` is at most `b`"),
        ("a in seen and not b", "`a` is among `seen` and it does not hold that `b`"),
        ("min(a, b)", "the smallest of `a` and `b`"),
        ("f(a)", "what `f` gives for `a`"),
        ("word.lower()", "`word` in lower case"),
        ("{}.get(k, 0)", None),
        ("a if b else c", "`a` if `b`, else `c`"),
        ("'x\\ny'", None),
        ("[k for k in x]", None),
        ("lambda: 1", None),
        ("self.total", "`total` of `self`"),
        ("f(*a)", None),
    ],
)
def test_expressions_have_words(expression: str, words: str | None) -> None:
    assert in_words(ast.parse(expression, mode="eval").body) == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("todo", "`todo` counts as true"),
        ("not todo", "`todo` counts as false"),
        ("a < 1 and b", "`a` is less than 1 and `b` counts as true"),
        ("s.isdigit()", "`s` consists of digits"),
        ("not (a < b)", None),
    ],
)
def test_conditions_have_words_that_follow_it_holds_that(expression: str, words: str | None) -> None:
    assert condition_in_words(ast.parse(expression, mode="eval").body) == words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"~set": [1, 2]}, "[1, 2]"),
        ({"~dict": [[1, "a"], [True, 2]]}, '{"1": "a", "true": 2}'),
        ({"~dict": [[[1, 2], 3]]}, None),
        ({"~object": "A"}, None),
        ([{"~list": [1], "length": 9}], None),
        ("x" * 200, None),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_values_are_told_or_left_out(value: object, told: str | None) -> None:
    assert told_value(value) == told
