import pytest

from codeio_assets.core.method.pair_rules import argument_problem, complexity_problem, direction_problem, signature_of

PLAIN = "def main_solution(a, b=1, *, c, d=2):\n    return a\n"
OPEN = "def main_solution(a, /, **rest):\n    return a\n"


@pytest.mark.parametrize(
    ("code", "input_json", "problem"),
    [
        (PLAIN, '{"a":1,"c":2}', None),
        (PLAIN, '{"a":1,"b":1,"c":2,"d":3}', None),
        (PLAIN, '{"a":1}', "lacks the argument(s) c"),
        (PLAIN, "{}", "lacks the argument(s) a, c"),
        (PLAIN, '{"a":1,"c":2,"e":3}', "has the unknown argument(s) e"),
        (OPEN, '{"a":1,"whatever":2}', None),
        (f"{OPEN}\n{PLAIN}", '{"a":1,"c":2,"whatever":2}', "has the unknown argument(s) whatever"),
        ("def other(a): pass", '{"a":1}', "the code does not define main_solution"),
        ("def main_solution(:", '{"a":1}', "the code does not define main_solution"),
    ],
)
def test_arguments(code: str, input_json: str, problem: str | None) -> None:
    assert argument_problem(signature_of(code), input_json) == problem


@pytest.mark.parametrize(
    ("input_json", "output_json", "problem"),
    [
        ('{"a":1}', "2", None),
        ('{"a":[' + ",".join("1" * 20) + "]}", "2", "input_too_many_items"),
        ('{"a":1}', '"' + "x" * 100 + '"', "output_string_too_long"),
    ],
)
def test_complexity(input_json: str, output_json: str, problem: str | None) -> None:
    assert complexity_problem(input_json, output_json) == problem


@pytest.mark.parametrize(
    "output_json", ["0", "0.1", "true", '"a } { \\" b"', "[]", '{"output":1}', '{"input":{}}', '""']
)
@pytest.mark.parametrize("input_json", ['{"a":1}', "{}", '{"input":{"input":1}}', '{"a":"{\\"input\\": 3}"}'])
def test_the_truth_is_an_answer(input_json: str, output_json: str) -> None:
    assert direction_problem(input_json, output_json) is None


def test_what_cannot_be_answered_is_told() -> None:
    assert direction_problem('["no object"]', "1") == "input: the stored input as an answer is read as no_answer"
