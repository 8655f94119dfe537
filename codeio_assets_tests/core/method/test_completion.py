import ast
import warnings

import pytest

from codeio_assets.core.method.completion import complete_code, complete_function, undefined_names
from codeio_assets.core.method.transform import ParsedFunction

RAW = '''"""A file."""
from __future__ import annotations

import math, os.path
import numpy as np
from collections import defaultdict as dd, Counter
from dataclasses import dataclass

RATE = 0.2
LIMIT: int = 10
LOW, (HIGH, *REST) = 1, (2, 3)
UNSET: int
name = input("who? ")
lines = open("data.txt").read()
table = [int(input()) for _ in range(3)]


def cached(function):
    return function


@cached
def area(r):
    return math.pi * square(r) * RATE


def square(x):
    return x * x


@dataclass
class Shape:
    """A shape."""

    side: float = float(LIMIT)

    def area(self):
        return square(self.side)


class Cube(Shape):
    pass


async def fetch(x):
    return square(x)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


print(area(1))
for i in range(3):
    total = i
if __name__ == "__main__":
    main_value = area(2)
'''


def completed(body: str, raw: str = RAW) -> tuple[str, tuple[str, ...]]:
    return complete_code(f"def main_solution(a):\n    {body}\n", raw)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("return a", ()),
        ("return math.sqrt(a)", ("math",)),
        ("return os.path.join(a)", ("os",)),
        ("return np.sum(a)", ("np",)),
        ("return dd(int)", ("dd",)),
        ("return Counter(a), dd(int)", ("dd", "Counter")),
        ("return RATE * a", ("RATE",)),
        ("return LIMIT", ("LIMIT",)),
        ("return REST, LOW", ("LOW", "REST")),
        ("return square(a)", ("square",)),
        ("return area(a)", ("math", "RATE", "cached", "area", "square")),
        ("return Cube().area()", ("dataclass", "LIMIT", "square", "Shape", "Cube")),
        ("return even(a)", ("even", "odd")),
        ("return fetch(a)", ("square", "fetch")),
        ("return [square(x) for x in a]", ("square",)),
        ("return (lambda q: square(q))(a)", ("square",)),
        ("x: Shape = a\n    return x", ("dataclass", "LIMIT", "square", "Shape")),
        ("global RATE\n    RATE += 1\n    return RATE", ("RATE",)),
        ("square = len\n    return square(a)", ()),
        ("import math\n    return math.pi", ()),
        ("for square in a: pass\n    return square", ()),
        ("return name", ()),  # drawn from input()
        ("return lines, table, total, i, main_value, UNSET, nowhere", ()),
        ("return len(a), __name__, print, int", ()),
    ],
)
def test_names_taken(body: str, names: tuple[str, ...]) -> None:
    code, taken = completed(body)
    assert taken == names
    assert code.endswith(f"def main_solution(a):\n    {body}\n")
    compile(code, "<code>", "exec")


def test_nothing_that_runs_is_taken() -> None:
    code, _ = completed("return area(a), Cube, even, i, total, name, main_value")
    assert "print(" not in code
    assert "input(" not in code
    assert "for i in" not in code
    assert "if __name__" not in code


def test_the_completed_code_runs() -> None:
    code, _ = completed("return area(a), Cube().area(), even(a)")
    namespace: dict[str, object] = {"__name__": "m"}
    exec(code, namespace)
    main = namespace["main_solution"]
    assert callable(main)
    assert main(2) == (pytest.approx(4 * 3.141592653589793 * 0.2), 100.0, True)


def test_definitions_keep_the_order_and_text_of_the_file() -> None:
    code, _ = completed("return Cube().area()")
    assert [type(node).__name__ for node in ast.parse(code).body] == [
        "ImportFrom", "AnnAssign", "FunctionDef", "ClassDef", "ClassDef", "FunctionDef",
    ]  # fmt: skip
    assert '"""A shape."""' in code
    assert "@dataclass\nclass Shape" in code


def test_statements_on_one_line_are_all_taken() -> None:
    code, taken = completed("return X + Y + math.pi", "import math; X = 1; Y = 2\n")
    assert sorted(taken) == ["X", "Y", "math"]
    namespace: dict[str, object] = {}
    exec(code, namespace)
    assert namespace["X"] == 1
    assert namespace["Y"] == 2


def test_what_the_model_wrote_is_not_taken_again() -> None:
    code = "def square(x):\n    return 0\n\ndef main_solution(a):\n    return square(a)\n"
    assert complete_code(code, RAW) == (code, ())


@pytest.mark.parametrize(
    "bad", ["def f(:", "def f(a, a): pass", "def f(x):\n    global x", "def f(): nonlocal y", "x = '\x00'"]
)
def test_a_raw_file_that_is_not_python_completes_nothing(bad: str) -> None:
    code = "def main_solution(a): return square(a)"
    assert complete_code(code, f"def square(x):\n    return x\n\n{bad}\n") == (code, ())


def test_a_future_import_of_the_file_is_not_taken() -> None:
    code, taken = completed("return annotations")
    assert (taken, "__future__" in code) == ((), False)


def test_a_future_import_of_the_model_stays_first() -> None:
    code = 'from __future__ import annotations\n\ndef main_solution(a: "x"):\n    return square(a)\n'
    whole, taken = complete_code(code, RAW)
    assert taken == ("square",)
    namespace: dict[str, object] = {}
    exec(compile(whole, "<code>", "exec"), namespace)
    assert callable(namespace["square"])


@pytest.mark.parametrize("code", ["def f(:", "def f(a, a): pass", "def f(x):\n global x\n", "x = '\x00'"])
def test_undefined_names_of_what_is_not_python(code: str) -> None:
    with pytest.raises(SyntaxError):
        undefined_names(code)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x = y", {"y"}),
        ("x = 1\nprint(x)", set()),
        ("def f(a, b=c): return a + d", {"c", "d"}),
        ("class A(B):\n    x = y\n    def f(self): return z, x", {"B", "y", "z", "x"}),
        ("def f():\n    def g(): return q\n    q = 1\n    return g", set()),
        ("from m import *\nx", {"x"}),
        ("try:\n    import m\nexcept ImportError as error:\n    m = None\nm", set()),
        ("@deco\ndef f(a: T) -> R: ...", {"deco", "T", "R"}),
        ("(w := 1) + w", set()),
        ("[x for x in xs]", {"xs"}),
        ("match v:\n    case [p, *q]:\n        p", {"v"}),
        ("f'{name!r:>{width}}'", {"name", "width"}),
    ],
)
def test_undefined_names(code: str, names: set[str]) -> None:
    assert undefined_names(code) - {"ImportError"} == names


def test_reading_names_is_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert undefined_names("x = '\\d'\nassert (y, 'z')\n1 is 1\n") == {"y"}


class TestFunction:
    def function(self, code: str, generator: str) -> ParsedFunction:
        return ParsedFunction(code, "io", generator, "query")

    def test_the_generator_may_use_the_files_names_too(self) -> None:
        code = "def main_solution(a):\n    return square(a)\n"
        generator = "def input_generator():\n    return {'a': np.arange(LIMIT)}\n"
        done, taken = complete_function(self.function(code, generator), RAW)
        assert taken == ("square", "np", "LIMIT")
        assert done.reference_code.endswith(code)
        assert done.reference_code.startswith("def square")
        assert "np" not in done.reference_code
        assert done.input_generator.endswith(generator)
        assert "import numpy as np" in done.input_generator
        assert "LIMIT: int = 10" in done.input_generator
        assert (done.io_description, done.query) == ("io", "query")

    def test_the_generator_sees_the_names_of_the_reference_code(self) -> None:
        code = "import random\nLIMIT = 3\ndef main_solution(a):\n    return a\n"
        generator = "def input_generator():\n    return {'a': random.randint(0, LIMIT)}\n"
        function = self.function(code, generator)
        assert complete_function(function, RAW) == (function, ())

    @pytest.mark.parametrize("where", ["code", "generator"])
    def test_future_imports_leave_a_program_that_compiles(self, where: str) -> None:
        future = "from __future__ import annotations\n"
        code = "def main_solution(a: int):\n    return square(a)\n"
        generator = "def input_generator():\n    return {'a': LIMIT}\n"
        function = self.function(
            future + code if where == "code" else code, future + generator if where == "generator" else generator
        )
        done, taken = complete_function(function, RAW)
        assert taken == ("square", "LIMIT")
        compile(done.reference_code, "<code>", "exec")
