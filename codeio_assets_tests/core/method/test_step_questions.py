import json

import pytest

from codeio_assets.core.method.grounding import ground
from codeio_assets.core.method.step_questions import ordinal, step_prompt, step_questions
from codeio_assets.core.method.trace_teacher import walk_to
from codeio_assets.core.method.verdicts import judge_output
from codeio_assets.core.prompts import Prompt, PromptError, load_prompt
from codeio_assets_tests.core.method.traced import trace_of

CODE = """\
def main_solution(n):
    total = 0
    for k in range(n):
        if k % 2:
            total += k
    return total
"""


def test_every_question_has_the_answer_that_execution_gives() -> None:
    asked = step_questions(trace_of(CODE, n=5), CODE, "k", per_kind=99)
    answers = {each.question: json.loads(each.target_json) for each in asked}
    value, following, count = (
        "What is the value of `{}` when line {} has been run for the {} time?",
        "Line {} has just been run for the {} time. Which line of the same call is run next? Answer with its number.",
        "How many times is line {} run in this call? Answer with the number.",
    )
    assert answers == {
        value.format("total", 2, "1st"): 0,
        **{value.format("k", 3, ordinal(n + 1)): n for n in range(5)},
        value.format("total", 5, "1st"): 1,
        value.format("total", 5, "2nd"): 4,
        **{following.format(3, ordinal(n + 1)): 4 for n in range(5)},
        following.format(3, "6th"): 6,
        **{following.format(4, ordinal(n + 1)): 5 if n % 2 else 3 for n in range(5)},
        count.format(3): 6,
        count.format(4): 5,
        count.format(5): 2,
    }


def test_a_few_are_drawn_by_hash() -> None:
    trace = trace_of(CODE, n=5)
    drawn = {key: step_questions(trace, CODE, key) for key in "abcdef"}
    assert {tuple(each.kind for each in asked) for asked in drawn.values()} == {
        ("value_after_line", "next_line", "times_run")
    }
    assert len({asked[0].question for asked in drawn.values()}) > 2
    assert drawn["a"] == step_questions(trace, CODE, "a")


@pytest.mark.parametrize(
    "code",
    [
        "def main_solution(n):\n    m = n\n    return m if n < 1 else main_solution(n - 1)\n",
        "def main_solution(n):\n    while n < 5000:\n        n += 1\n    return n\n",
    ],
)
def test_lines_that_run_in_several_calls_or_beyond_the_trace_are_not_asked_about(code: str) -> None:
    assert step_questions(trace_of(code, n=3), code, "k", per_kind=9) == []


NESTED = """\
def main_solution(n):
    total = 0
    for k in range(n):
        total += half(k)
    while total > 3:
        total -= 3
    return total

def half(k):
    m = k // 2
    return m
"""


@pytest.mark.parametrize(("code", "n"), [(CODE, 0), (CODE, 5), (CODE, 40), (NESTED, 7), (NESTED, 40)])
@pytest.mark.parametrize("key", ["a", "b"])
def test_the_teacher_tells_the_way_to_the_step_and_answers_rightly(code: str, n: int, key: str) -> None:
    trace = trace_of(code, n=n)
    for asked in step_questions(trace, code, "k", per_kind=99):
        text = walk_to(asked, trace, code, key)
        assert text is not None
        assert judge_output("answered", text, asked.target_json).status == "correct"
        assert ground(text, trace).ungrounded == (), "whatever it says on the way was so"
        assert text == walk_to(asked, trace, code, key)
        said = text.split("\n\n")[-2]
        assert asked.target_json in said
        assert str(asked.line) in said


def test_the_walk_ends_at_the_step() -> None:
    trace = trace_of(NESTED, n=7)
    asked = {each.question: each for each in step_questions(trace, NESTED, "k", per_kind=99)}
    text = walk_to(asked["What is the value of `total` when line 4 has been run for the 3rd time?"], trace, NESTED, "k")
    assert text is not None
    assert text.endswith('\n\n{"output": 1}')
    assert "`k` = 2" in text
    assert "`k` = 3" not in text
    assert "`m` = 1" in text, "what the line calls belongs to it"


def test_a_step_that_cannot_be_told_has_no_answer() -> None:
    code = "def main_solution(n):\n    text = 'ab' * n\n    size = len(text)\n    return size\n"
    trace = trace_of(code, n=5_000)
    asked = step_questions(trace, code, "k", per_kind=9)
    assert [walk_to(each, trace, code, "k") for each in asked if each.name == "size"] == [None]


def test_the_prompt_numbers_the_lines() -> None:
    [asked] = step_questions(trace_of(CODE, n=5), CODE, "k")[:1]
    text = step_prompt(asked, CODE, '{"n":5}', load_prompt("step_question"))
    assert "\n1  def main_solution(n):\n" in text
    assert "\n6      return total\n```" in text
    assert asked.question in text
    assert '{"n":5}' in text
    with pytest.raises(PromptError, match="must be one"):
        step_prompt(asked, CODE, "{}", Prompt("p", "0" * 64, (("system", "a"), ("user", "b"))))


@pytest.mark.parametrize(
    ("number", "told"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (113, "113th")]
)  # fmt: skip
def test_ordinals(number: int, told: str) -> None:
    assert ordinal(number) == told
