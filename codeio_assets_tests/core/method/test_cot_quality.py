from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.core.method.cot_quality import Cot, CotFlaws, find_flaws
from codeio_assets.core.settings.quality import DEFAULT_TOLERANCES, FLAWS, CotRules, Quality

RULES = CotRules.model_validate({})
CODE = """import math

def main_solution(prices, rate):
    total = 0.0
    for price in prices:
        if price > 0:
            total += price * (1.0 + rate)
    return round(total, 2)
"""
PROSE = (
    "The function adds up all prices that are above zero, each with the rate put on top. The list has the values 10 "
    "and 20, and the rate is one tenth, so we get 11 for the first and 22 for the second. Both together are 33.\n\n"
)
ANSWER = '{"output": 33.0}'
GOOD = PROSE + ANSWER
STEPS = "\n".join(
    f"- Step {number}: the running total becomes {11 * number}, because 11 is added." for number in range(9)
)
GRID = "The first row of the grid has one living cell and so nothing changes in it for now.\n```\n#.#\n..#\n```\n"
GERMAN = (
    "Die Funktion addiert alle Preise, die größer als null sind, und schlägt jeweils den Satz auf. Die Liste enthält "
    "zwei Werte, nämlich zehn und zwanzig, und der Satz ist ein Zehntel. Somit erhält man elf und zweiundzwanzig, "
    "zusammen also dreiunddreißig als Ergebnis dieser Rechnung.\n"
)
CHINESE = (
    "这个函数把所有大于零的价格加起来，每个价格都加上税率。列表中有两个值，十和二十，税率是十分之一，所以结果是三十三。"
    * 3
)
QUOTING = (
    "The word is `日本語日本語日本語日本語日本語日本語`, and reversing it keeps all its letters. We take the last "
    'letter first and so on, and each of them goes to the front of the result, which then is "語本日語本日語本日".\n'
)


def says(conclusion: str, answer: str) -> Cot:
    return Cot(f"{PROSE}{conclusion}\n{answer}", "output")


# what is read -> the flaws it has
CASES: dict[str, tuple[Cot, set[str]]] = {
    "good": (Cot(GOOD, "output", reference_code=CODE), set()),
    "good, fenced answer": (Cot(f"{PROSE}```json\n{ANSWER}\n```", "output"), set()),
    "good, many like steps": (Cot(STEPS + PROSE + ANSWER, "output"), set()),
    "good, a grid in a block": (Cot(GRID + PROSE + ANSWER, "output"), set()),
    "good, one line of the code quoted": (
        Cot(f"It does `total += price * (1.0 + rate)` for each.\n{GOOD}", "output", reference_code=CODE),
        set(),
    ),
    "good input": (Cot(PROSE + '{"input": {"prices": [10, 20], "rate": 0.1}}', "input"), set()),
    "no answer": (Cot(PROSE, "output"), {"answer_missing"}),
    "answer of the other direction": (Cot(PROSE + '{"input": {"a": 1}}', "output"), {"answer_missing"}),
    "input that is no object": (Cot(PROSE + '{"input": 3}', "input"), {"answer_missing"}),
    "truncated": (Cot(PROSE, "output", "truncated", "length"), {"answer_missing", "cut_off"}),
    "finish reason alone": (Cot(GOOD, "output", "answered", "content_filter"), {"cut_off"}),
    "finish reason not told": (Cot(GOOD, "output", "answered", None), set()),
    "refused by the server": (Cot("", "output", "refused", "stop"), {"answer_missing", "refused", "too_short"}),
    "refused in words": (
        Cot("I'm sorry, but I can't help with that.", "output"),
        {"answer_missing", "refused", "too_short"},
    ),
    "sorry but answered": (Cot(f"I am sorry for the confusion. {GOOD}", "output"), set()),
    "bare answer": (Cot(ANSWER, "output"), {"too_short"}),
    "endless": (Cot(" ".join(f"It then becomes {n} and the" for n in range(900)) + ANSWER, "output"), {"too_long"}),
    "python block": (Cot(f"```python\nx = 1\n```\n{GOOD}", "output"), {"code_block"}),
    "untagged block of statements": (Cot(f"```\nfor a in b:\n    c(a)\n```\n{GOOD}", "output"), {"code_block"}),
    "copied code": (Cot(f"{CODE}\n{GOOD}", "output", reference_code=CODE), {"copied_code"}),
    "copied code, laid out otherwise": (
        Cot(" ".join(CODE.split()) + "\n" + GOOD, "output", reference_code=CODE),
        {"copied_code"},
    ),
    "line again and again": (Cot(PROSE + "We check the next value of the list.\n" * 5 + ANSWER, "output"), {"loop"}),
    "two lines in turn": (
        Cot(PROSE + "The left one is less, so it moves.\nThe right one is more, so it stays.\n" * 4 + ANSWER, "output"),
        {"loop"},
    ),
    "word again and again": (Cot(PROSE + "and so on " * 40 + ANSWER, "output"), {"loop"}),
    "list of equal numbers": (Cot(PROSE + "[0, 0, 0, 0, 0, 0, 0]\n" + ANSWER, "output"), set()),
    "same as before": (Cot(GOOD, "output", previous=GOOD), {"repeats_previous"}),
    "same with another answer": (Cot(PROSE + '{"output": 34}', "output", previous=GOOD), {"repeats_previous"}),
    "another way": (Cot(STEPS + ANSWER, "output", previous=GOOD), set()),
    "prose says another number": (says("Therefore, the output is **32**.", ANSWER), {"contradiction"}),
    "prose says it within the tolerance": (says("So the result is 33.001", ANSWER), set()),
    "prose says an integer for a float": (says("So the result is 33.", ANSWER), set()),
    "thousands": (says("The answer is 1,234.", '{"output": 1234}'), set()),
    "number with a unit": (says("The output is 32 times as large.", ANSWER), set()),
    "other type": (says('The output is "32".', ANSWER), set()),
    "text in other quotation marks": (says("The output is 'ab'.", '{"output": "ab"}'), set()),
    "other text": (says("The output is 'ab'.", '{"output": "ba"}'), {"contradiction"}),
    "boolean": (says("Hence the answer is true.", '{"output": false}'), {"contradiction"}),
    "list": (says("The final result is [1, 2]", '{"output": [2, 1]}'), {"contradiction"}),
    "single member": (says("The result is 5.", '{"output": {"count": 6}}'), {"contradiction"}),
    "several members": (says("The result is 5.", '{"output": {"count": 6, "sum": 5}}'), set()),
    "earlier result": (says("The result is 32.\nBut we forgot one: the result is 33.", ANSWER), set()),
    "German": (Cot(GERMAN + ANSWER, "output"), {"other_language"}),
    "Chinese": (Cot(CHINESE + ANSWER, "output"), {"other_language"}),
    "English that quotes Japanese": (Cot(QUOTING + ANSWER, "output"), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_flaws(name: str) -> None:
    cot, expected = CASES[name]
    assert {flaw for flaw, has in asdict(find_flaws(cot, RULES)).items() if has} == expected


def test_every_flaw_is_explained_has_a_tolerance_and_a_case() -> None:
    names = [field.name for field in fields(CotFlaws)]
    assert names == list(FLAWS)
    assert set(DEFAULT_TOLERANCES) == set(FLAWS)
    assert set().union(*(flaws for _, flaws in CASES.values())) == set(FLAWS)


@pytest.mark.parametrize(
    ("rules", "text", "flaw", "has"),
    [
        ({"min_chars": 0}, ANSWER, "too_short", False),
        ({"max_chars": 150}, GOOD, "too_long", True),
        ({"language": "any"}, GERMAN + ANSWER, "other_language", False),
        ({"loop_repeats": 6}, PROSE + "We check the next value of the list.\n" * 5 + ANSWER, "loop", False),
    ],
)
def test_rules_decide(rules: dict, text: str, flaw: str, has: bool) -> None:
    found = find_flaws(Cot(text, "output"), CotRules.model_validate(rules))
    assert getattr(found, flaw) is has


@given(st.text(max_size=400), st.sampled_from(["input", "output"]), st.text(max_size=200))
def test_any_text_can_be_read(text: str, direction: str, other: str) -> None:
    find_flaws(Cot(text, direction, reference_code=other, previous=other), RULES)


@pytest.mark.parametrize("text", ["{" * 20_000, "```\n" * 9_000, "a " * 20_000, "the output is " * 3_000, '"' * 20_000])
def test_long_odd_text_is_read(text: str) -> None:
    find_flaws(Cot(text, "output", reference_code=text, previous=text), RULES)


def test_nearer_tolerances_go_before_general_ones() -> None:
    quality = Quality.model_validate(
        {
            "tolerances": {"loop": {"warn_above": 0.3}},
            "models": {"m": {"loop": {"block_above": 0.4}, "refused": {"block_above": None}}},
            "sources": {"s": {"loop": {"warn_above": 0.2}}},
        }
    )
    shown = {
        where: (quality.tolerance("loop", *where).warn_above, quality.tolerance("loop", *where).block_above)
        for where in (("x", "y"), ("m", "y"), ("m", "s"), ("x", "s"))
    }
    assert shown == {("x", "y"): (0.3, 0.5), ("m", "y"): (0.3, 0.4), ("m", "s"): (0.2, 0.4), ("x", "s"): (0.2, 0.5)}
    assert quality.tolerance("refused", "m", "s").block_above is None
    assert quality.tolerance("refused", "x", "s").block_above == 0.5
