import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.core.method.raw_code import OWN_VERSION, parse_quietly, reject_file
from codeio_assets.core.settings.project import Filters

ANY_LENGTH = Filters(min_chars=0, max_chars=10_000)
FUNCTION = "def f(a):\n    return a\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FUNCTION, None),
        (FUNCTION.replace("\n", "\r\n"), None),
        ("async def f(a):\n    return a\n", None),
        ("class A:\n    x = 1\n", None),
        ("total = 0\nfor i in range(3):\n    total += i\n", None),
        ("while False:\n    pass\n", None),
        ("if True:\n    def f(): return 1\n", None),
        ('x = "a\\d"\n' + FUNCTION, None),  # an odd escape warns, and is valid
        ("", "empty_file"),
        (" \n\t\r\n\x0c", "empty_file"),
        ("# only\n  # comments\n", "empty_file"),
        ("x = [i for i in range(3)]\nprint(x)\n", None),
        ("area = lambda r: 3 * r * r\n", None),
        ('"""A docstring."""\n', "no_computation"),
        ("SETTINGS = {'a': 1}\n", "no_computation"),
        ("def f(:\n", "syntax_error"),
        ("print 'hello'\nfor i in x: pass\n", "syntax_error"),
        ("def f():\n\treturn 1\n        return 2\n", "syntax_error"),
        ("def f(): return '\x00'\n", "syntax_error"),
        ("x = " + "(" * 3_000 + ")" * 3_000, "syntax_error"),
        ("x = " + "-" * 9_000 + "1\n", "syntax_error"),
    ],
)
def test_reason(content: str, reason: str | None) -> None:
    found = reject_file(content, ANY_LENGTH)
    assert (found[0] if found else None) == reason
    assert found is None or found[1]


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (Filters(min_chars=len(FUNCTION) - 1, max_chars=100), None),
        (Filters(min_chars=len(FUNCTION), max_chars=100), "too_short"),
        (Filters(min_chars=0, max_chars=len(FUNCTION) - 1), None),
        (Filters(min_chars=0, max_chars=len(FUNCTION) - 2), "too_long"),
    ],
)
def test_blanks_at_the_ends_do_not_count(filters: Filters, reason: str | None) -> None:
    found = reject_file("\n\n" + FUNCTION + "  \n" * 50, filters)
    assert (found[0] if found else None) == reason


def test_a_syntax_error_names_its_line() -> None:
    assert reject_file("x = 1\ny = = 2\n", ANY_LENGTH) == ("syntax_error", "line 2: invalid syntax")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_an_answer(content: str) -> None:
    found = reject_file(content, ANY_LENGTH)
    assert found is None or found[0] in {"empty_file", "syntax_error", "no_computation"}


def test_parsing_is_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_quietly("x = '\\d'\nassert (x, 'always true')\nprint(1 is 1)\n")


@pytest.mark.parametrize(
    ("code", "python", "detail"),
    [
        ("type Pair = tuple[int, int]\nclass A:\n    pass\n", "3.11", "need Python 3.12; programs run with 3.11"),
        ("def f[T = int](x: T) -> T:\n    return x\n", "3.12", "need Python 3.13; programs run with 3.12"),
        ("def f(x):\n    return t'{x}'\n", "3.13", "need Python 3.14; programs run with 3.13"),
    ],
)
def test_newer_syntax_is_held_against_the_python_that_runs_programs(code: str, python: str, detail: str) -> None:
    found = reject_file(code, ANY_LENGTH, python)
    assert found is not None
    assert (found[0], detail in found[1]) == ("newer_syntax", True), found


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it itself")
def test_syntax_that_only_the_pipeline_cannot_read_says_so() -> None:
    found = reject_file("def f[T](x: T) -> T:\n    return x\n", ANY_LENGTH, "3.12")
    assert found == ("newer_syntax", f"type parameters need Python 3.12; the pipeline itself runs with {OWN_VERSION}")


@pytest.mark.parametrize(
    ("python", "computes", "reason"),
    [
        ("99.0", True, None),
        ("99.0", False, "no_computation"),
        ("99.0", None, "syntax_error"),
        ("3.9", True, "syntax_error"),
    ],
)
def test_what_only_a_newer_python_reads_is_told_by_that_one(
    python: str, computes: bool | None, reason: str | None
) -> None:
    found = reject_file("a syntax of the future", ANY_LENGTH, python, lambda text: computes)
    assert (found and found[0]) == reason


def test_a_newer_python_is_asked_only_about_what_this_one_cannot_read() -> None:
    def nobody(text: str) -> bool:
        raise AssertionError(text)

    assert reject_file("def f(x):\n    return x\n", ANY_LENGTH, "99.0", nobody) is None


def test_syntax_newer_than_an_older_python_for_programs_is_refused() -> None:
    code = "def f(x):\n    match x:\n        case 1:\n            return x\n"
    assert reject_file(code, ANY_LENGTH) is None
    found = reject_file(code, ANY_LENGTH, "3.9")
    assert found is not None
    assert found[0] == "syntax_error"
