import pytest

from codeio_assets.core.method.labels import CATEGORIES, open_function, program_of, read_category, read_function

FILE = '''\
import math

LIMIT = 10


def area(radius, *, exact=True):
    """The area."""
    value = math.pi * radius ** 2
    if not exact:
        value = round(value)
    return min(value, LIMIT)


def short(a):
    return a


print(area(3))
'''


@pytest.mark.parametrize(
    ("response", "category"),
    [
        *((name, name) for name in CATEGORIES),
        ("**Math**", "math"),
        ("logic puzzles.", "logic_puzzles"),
        ("non-reasoning", "non_reasoning"),
        ("The label is: system-modelling", "system_modelling"),
        ("math or algorithms", None),
        ("", None),
        ("cooking", None),
    ],
)
def test_categories(response: str, category: str | None) -> None:
    assert read_category(response) == category


def test_the_longest_function_is_left_open() -> None:
    opened = open_function(FILE)
    assert opened is not None
    assert opened.name == "area"
    assert '"""The area."""\n    ...  # the missing body\n\n\ndef short' in opened.file_without_body
    assert "math.pi" not in opened.file_without_body
    assert "return min(value, LIMIT)" in opened.text
    assert "short" not in opened.text


@pytest.mark.parametrize(
    "code",
    [
        "x = 1",
        "def f(a): return a + 1",
        "def f():\n    a = 1\n    b = 2\n    return a + b",
        "def f(a):\n    print(a)\n    print(a)\n    print(a)",
        "def f(*a):\n    b = 1\n    c = 2\n    return a",
        "@cache\ndef f(a):\n    b = 1\n    c = 2\n    return a",
        "def f(a):\n    b = 1\n    yield b\n    return a",
        "class A:\n    def f(self, a):\n        b = 1\n        c = 2\n        return a",
    ],
)
def test_files_without_a_function_to_complete(code: str) -> None:
    assert open_function(code) is None


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ("```python\ndef f(a):\n    return 1\n```", "def f(a):\n    return 1\n"),
        ("```\ndef f(a):\n    return 1\n```\nand\n```py\ndef g(): pass\n```", "def f(a):\n    return 1\n"),
        ("```python\ndef f(a):\n    return 1", "def f(a):\n    return 1"),
        ("def f(a):\n    return 1", "def f(a):\n    return 1"),
        ("```python\ndef f(a:\n```", None),
        ("I cannot.", None),
    ],
)
def test_reading_a_function(response: str, found: str | None) -> None:
    assert read_function(response, "f") == found


def test_a_program_takes_what_it_needs_and_runs_nothing_else() -> None:
    opened = open_function(FILE)
    assert opened is not None
    program = program_of(opened.text, "area", FILE)
    assert "print" not in program
    names: dict[str, object] = {}
    exec(program, names)
    assert names["main_solution"](radius=1, exact=False) == 3  # type: ignore[operator]
