"""Whatever a response holds, every scorer gives a verdict: no exception, no hang, and nothing gained by a trick."""

import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeio_assets.benchmarks.answers import NoArithmetic, arithmetic
from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Execution, Question, Verdict
from codeio_assets.evaluation.guarded import ItemLimits
from codeio_assets.evaluation.scoring import Response, Scorer
from codeio_assets.sandbox import open_sandbox

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "benchmarks"
PIECES = [
    *("{", "}", "[[", "]]", "[", "]", "(", ")", "$", "\\boxed{", "\\boxed ", "\\fbox{", "**", "***"),
    *("\n", " ", ",", ";", '"answer"', ":", '"solution"', "answer is ", "Answer: ", "####"),
    *("[ANSWER]", "[/ANSWER]", "assert f(", "f(", "==", "<solution>", "</solution>", "<think>", "</think>"),
    *("```json\n", "```", "<PLOT_SUMMARY>", "<table><tr><th>", "or", "\\frac", "\\sqrt", "^", "_", "1/0"),
    *("9**9**9", "٣", "½", "1e999", "nan", "yes, no", "\x00", "\ud800", "，", "'"),
]


@cache
def questions() -> list[tuple[str, Question]]:
    return [(name, question) for name, benchmark in BENCHMARKS.items() for question in benchmark.load(SAMPLES)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30).map("".join), st.data())
def test_every_scorer_is_total(response: str, data: st.DataObject) -> None:
    name, question = data.draw(st.sampled_from(questions()))
    found = BENCHMARKS[name].score(response, question)
    assert isinstance(found, Verdict | Execution)
    if isinstance(found, Verdict):
        assert found.score is not None
        assert 0 <= found.score <= 1


BOMBS = {
    "braces": "{" * 200_000,
    "brackets": "[[" * 100_000 + "[" * 100_000,
    "nested object": '{"answer": ' * 50_000 + "77" + "}" * 50_000,
    "nested list": '{"answer": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "boxes": "\\boxed{" * 50_000,
    "boxes of dollars": "$\\boxed{" * 50_000 + "}$",
    "bold": "**" * 200_000,
    "blanks": "answer is" + " " * 500_000 + "x",
    "digits": '{"answer": "' + "9" * 300_000 + '"}',
    "powers": "[[" + "9**" * 300 + "9]]",
    "fractions": "\\boxed{" + "\\frac{" * 400 + "}" * 800 + "}",
    "sums": "\\boxed{" + "(x+" * 150 + "x" + ")" * 150 + "^{99}}",
    "sentences": "<PLOT_SUMMARY>" + "a b c d e f. " * 20_000,
    "quotes": '"' * 300_001,
    "solutions": "<solution>" * 50_000,
    "commas": "answer:" + "," * 300_000,
    "rows": "id,kind\n" + "1,cat\n" * 100_000,
    "tables": "<table><tr>" * 50_000,
    "asserts": "assert f(1) == 77\n" * 30_000,
    "expression": "f(" + "-" * 10_000 + "77)",
    "huge power": "f(10**10**10)",
}


def test_bombs_end_in_time_and_spoil_no_row_beside_them() -> None:
    responses, rights = [], []
    for name, question in questions():
        if name in ("leetcode_o", "bbh_zh", "mmlu_stem") and not question.id.endswith(("0", "/0")):
            continue
        responses += [Response(name, text, question) for text in BOMBS.values()]
        rights.append(len(responses))
        responses.append(Response("gsm8k", "#### 5", Question("good", "", "", "5")))
    scorer = Scorer(open_sandbox, workers=2, limits=ItemLimits(cpu_s=5))
    started = time.monotonic()
    try:
        verdicts = list(scorer.score(responses))
    finally:
        scorer.close()
    assert len(verdicts) == len(responses)
    assert all(verdicts[n].status == "correct" for n in rights)
    assert [n for n, v in enumerate(verdicts) if v.score == 1 and n not in rights] == []
    assert time.monotonic() - started < 1_200


@pytest.mark.parametrize(
    "call",
    [
        "f(type('X', (str,), {'__eq__': lambda self, other: True})('a'), 0)",
        "f(*[c for c in (1).__class__.__base__.__subclasses__()])",
        "f(__import__('os').getcwd(), 0)",
        "f(eval('1'), 0)",
        "f('anetpl', 0) or True",
        "'anetpl'  # f(",
        "(f := lambda *a: 'anetpl')('x', 1)",
        "(lambda f: f('x', 1))(lambda *a: 'anetpl')",
        "[f('x', 1), 'anetpl'][1]",
        "f('planet', 2) if False else 'anetpl'",
        "f([f for f in [lambda *a: 'anetpl']][0], 0)",
        "f(globals(), 0)",
    ],
)
def test_tricks_with_an_input_gain_nothing(call: str) -> None:
    [question] = [each for name, each in questions() if name == "cruxeval_input" and each.id == "sample_1"]
    assert verdict_of("cruxeval_input", question, call).status != "correct"


@pytest.mark.parametrize(
    "value",
    [
        "type('X', (), {'__eq__': lambda self, other: True})()",
        "type('X', (tuple,), {'__eq__': lambda self, other: True})((1, 2))",
        "(0) or True",
        "f([1, 2, 3, 4, 6])",
        "12, 3",
    ],
)
def test_tricks_with_an_output_gain_nothing(value: str) -> None:
    [question] = [each for name, each in questions() if name == "cruxeval_output" and each.id == "sample_0"]
    assert verdict_of("cruxeval_output", question, value).status != "correct"


def verdict_of(name: str, question: Question, text: str) -> Verdict:
    scorer = Scorer(open_sandbox, workers=1)
    try:
        [verdict] = scorer.score([Response(name, text, question)])
    finally:
        scorer.close()
    return verdict


@pytest.mark.parametrize(
    ("text", "value"), [("8+3*2", 14), ("(1+2)*8", 24), ("6/4", 1.5), ("-(2)**2", -4), ("2*-3", -6)]
)
def test_arithmetic(text: str, value: float) -> None:
    assert arithmetic(text) == value


@pytest.mark.parametrize(
    "text", ["__import__('os')", "1/0", "9**9**9", "a", "", "1 if 1 else 2", "(" * 400, "1" * 1_001, "1 2"]
)
def test_what_is_no_arithmetic(text: str) -> None:
    with pytest.raises(NoArithmetic):
        arithmetic(text)
