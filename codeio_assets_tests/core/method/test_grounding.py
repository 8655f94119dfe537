import pytest

from codeio_assets.core.method.grounding import ground, ground_state_lines, statements
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
NAMES = {name: set() for name in ("total", "seen", "counts", "word", "words", "a", "text")}


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


def test_state_lines_are_taken_at_their_word() -> None:
    text = "We add.\n[state] total = 2; word = 'ab'\nOn.\n[state] total = 9\n[state] seen = what\nif total is 7"
    found = ground_state_lines(text, TRACE)
    assert (found.statements, [each.words for each in found.ungrounded]) == (4, ["total = 9", "seen = what"])


def test_a_text_without_statements_says_nothing() -> None:
    assert ground("It is what it is.", TRACE).statements == 0
    assert ground("total is 3", trace_of("def main_solution():\n    return 1\n")).statements == 0
