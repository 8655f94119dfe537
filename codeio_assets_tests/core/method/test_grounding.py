import pytest

from codeio_assets.core.method.grounding import (
    MOST_STATE_LINES,
    check_state_lines,
    count_state_lines,
    ground,
    statements,
    without_state_lines,
)
from codeio_assets_tests.core.method.traced import trace_of

CODE = """\
def main_solution(words):
    total, seen, counts, a = 0, set(), {}, 1
    for word in words:
        total += len(word)
        seen.add(word)
        counts[len(word)] = word
    return total
"""
TRACE = trace_of(CODE, words=["ab", "cde"])
NAMES: dict[str, object] = dict.fromkeys(("total", "seen", "counts", "word", "words", "a", "text"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("So `total` is 2.", [("total", 2)]),
        ("Now total = 5, and `word` = 'cde'.", [("total", 5), ("word", "cde")]),
        ("**total** becomes 5", [("total", 5)]),
        ('The word is now "ab" and the total is set to 2.', [("word", "ab"), ("total", 2)]),
        ("words = ['ab', 'c d'] then", [("words", ["ab", "c d"])]),
        ("`counts` is {2: 'ab'}.", [("counts", {"2": "ab"})]),
        ("total → 5", [("total", 5)]),
        # no statements about a state
        ("If total is 7, we stop.", []),
        ("whether `total` is 7", []),
        ("until total is 7", []),
        ("total = 2 + 3", []),
        ("total is 2 times 3", []),
        ("total is 2, 3 or 4", []),
        ("the length of words is 2", []),
        ("the characters in word are 'x'", []),
        ("the reversed word is 'ba'", []),
        ("subtotal is 7", []),
        ("total[0] = 7", []),
        ("x.total = 7", []),
        ("total == 7", []),
        ("total is odd", []),
        ("This is a 3.", []),
        ("a is 3 words long", []),
        ("`a` is 3.", [("a", 3)]),
        ("a = 3.", [("a", 3)]),
        ("total is [1, 2", []),
        ("total is not 7", []),
        # of more than the name alone
        ("`seen and total` is 7", []),
        ("`seen == total` is 7", []),
        ("word and total are 'x' and 7", []),
        ("It is dict(a=1, total=7), then", []),
        ("so counts(total=7)", []),
        (r"total = 7 \mod 4", []),
        (r"the word is '\'. It isn't", []),
        ("(so `total` = 7)", [("total", 7)]),
        # names that are words of the language count where they are marked as names
        ("the text is 'x'", []),
        ("the `text` is 'x', and text = 'y'", [("text", "x"), ("text", "y")]),
    ],
)
def test_statements_are_read(text: str, found: list[tuple[str, object]]) -> None:
    assert [(each.name, each.value) for each in statements(text, NAMES)] == found


def test_statements_are_looked_up() -> None:
    text = (
        "At first `total` is 0. Then total = 2 and `word` is 'ab'. `seen` is ['cde', 'ab'], `counts` = {2: 'ab'}. "
        "In the end `total` is 6."
    )
    found = ground(text, TRACE)
    assert (found.statements, found.grounded) == (6, 5)
    assert [(each.name, each.value, each.words) for each in found.ungrounded] == [("total", 6, "`total` is 6")]


def test_numbers_are_compared_by_the_rule_of_the_verdicts() -> None:
    trace = trace_of("def main_solution(x):\n    half = x / 3\n    return half\n", x=1)
    assert ground("`half` is 0.3333", trace).grounded == 1
    assert ground("`half` is 0.34", trace).grounded == 0


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["total = 2; word = 'ab'", "total = 5; word = 'cde'"], []),
        (["total = 9"], [0]),
        (["seen = what"], [0]),
        (["total = 2; word = 'cde'", "total = 5; word = 'ab'"], [1]),  # each had its value, but not together
        (["total = 5", "total = 2"], [1]),  # not in the order of the execution
        (["total = 5", "total = 5", "total = 5"], []),
        (["total = 0; seen = set()"], [0]),  # no literal
        (["seen = ['ab', 'cde']", "counts = {2: 'ab', 3: 'cde'}"], []),
        (["words = ['ab', 'cde']"], []),
        (['words = ["ab", "cde"]; total = 0;'], []),
        (["`total` = 2`"], []),
        (["nothing = 2"], [0]),
        (["total = 2; total = 5"], [0]),
        (["total = 2; total = 2"], [0]),
        (["total == 2"], [0]),
        (["total is 2"], [0]),
        (["words[0] = 'ab'"], [0]),
        (["len(words) = 2"], [0]),
        (["total = 2 + 0"], [0]),
        (["total = 2, word = 'ab'"], [0]),
        (["total = 2; and so on"], [0]),
        (["total = __import__('os').getpid()"], [0]),
        (["total = " + "[" * 50_000], [0]),
        (["total = '" + "\\" * 999], [0]),
        ([""], [0]),
        (["total = True"], [0]),
    ],
)
def test_state_lines_are_taken_at_their_word(lines: list[str], wrong: list[int]) -> None:
    written = [f"[state] {line}".strip() for line in lines]
    found = check_state_lines("We add.\n" + "\nOn, and total is 7.\n".join(written) + "\nif total is 7", TRACE)
    assert (found.lines, found.wrong) == (len(lines), tuple(written[place] for place in wrong))


@pytest.mark.parametrize("before", ["- ", "  ", "> ", "**", "`", "* "])
def test_a_state_line_does_not_hide_behind_marks(before: str) -> None:
    assert check_state_lines(f"{before}[state] total = 9", TRACE).wrong == (f"{before}[state] total = 9".strip(),)


def test_words_about_state_lines_are_none() -> None:
    text = "Each step ends in a [state] line. [state] total = 9\nstate total = 9\n[State] total = 9"
    assert count_state_lines(text) == check_state_lines(text, TRACE).lines == 0
    assert without_state_lines("a\n[state] total = 9\nb") == "a\n\nb"


def test_values_with_semicolons_are_one_value() -> None:
    trace = trace_of("def main_solution(a):\n    b = a\n    return b\n", a='x; b = "y"')
    said = r"""[state] a = "x; b = \"y\""; b = 'x; b = "y"'"""
    assert check_state_lines(said, trace).wrong == ()
    assert check_state_lines("[state] a = 'x'; b = 'y'", trace).wrong == ("[state] a = 'x'; b = 'y'",)


def test_a_call_that_waits_still_has_its_state() -> None:
    code = """\
def inner(n):
    m = n * 2
    return m

def main_solution(n):
    k = n + 1
    r = inner(k)
    return r
"""
    lines = ["n = 3; k = 4", "n = 4", "n = 4; m = 8", "n = 3; k = 4", "r = 8"]
    trace = trace_of(code, n=3)
    assert check_state_lines("\n".join(f"[state] {line}" for line in lines), trace).wrong == ()
    assert check_state_lines("[state] r = 8\n[state] m = 8", trace).wrong == ("[state] m = 8",), "inner has returned"
    assert check_state_lines("[state] k = 4; m = 8", trace).lines == 1
    assert check_state_lines("[state] k = 4; m = 8", trace).wrong == ("[state] k = 4; m = 8",), "two calls"


def test_what_the_trace_does_not_show_whole_is_not_called_wrong() -> None:
    trace = trace_of("def main_solution(n):\n    text = 'a' * n\n    return n\n", n=5_000)
    assert check_state_lines("[state] text = 'aaa'", trace).wrong == ()
    assert check_state_lines("[state] text = 'aaa'; n = 4", trace).wrong == ("[state] text = 'aaa'; n = 4",)


def test_lines_without_end_end() -> None:
    found = check_state_lines("[state] total = 0\n" * (MOST_STATE_LINES + 2), TRACE)
    assert (found.lines, len(found.wrong)) == (MOST_STATE_LINES + 2, 2)


def test_a_text_without_statements_says_nothing() -> None:
    assert ground("It is what it is.", TRACE).statements == 0
    assert ground("total is 3", trace_of("def main_solution():\n    return 1\n")).statements == 0
