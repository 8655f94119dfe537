"""What a name is bound to, as far as the text tells."""

import ast

import pytest

from codeio_assets.core.method.entries import ANYTHING, arguments_of


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("def f(a): pass\ndef f(b): pass", "b"),
        ("def g(a): pass\nf = g", "a"),
        ("f = lambda a, b=1: a", "a, b=1"),
        ("f: object = lambda a: a", "a"),
        ("if x:\n    def f(a): pass\nelse:\n    def f(a): pass", "a"),
        ("try:\n    import x\n    def f(a): pass\nexcept ImportError:\n    def f(a): pass", "a"),
        ("with x:\n    def f(a): pass", "a"),
        ("def f(a): pass\nasync def f(b): pass", "a"),
    ],
)
def test_arguments_that_can_be_told(code: str, arguments: str) -> None:
    found = arguments_of(code, "f")
    assert found is not None
    assert ast.unparse(found) == arguments


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n    def f(a): pass\nelse:\n    def f(b): pass",
        "f = partial(g, 1)",
        "f = Solver().solve",
        "from x import y as f",
        "class f: pass",
        "f = g",
        "f = f",
        "f = g\ng = f",
    ],
)
def test_what_cannot_be_told_may_take_anything(code: str) -> None:
    assert arguments_of(code, "f") is ANYTHING


@pytest.mark.parametrize("code", ["", "g = 1", "async def f(): pass", "def g():\n    def f(a): pass", "f.x = 1"])
def test_what_binds_nothing(code: str) -> None:
    assert arguments_of(code, "f") is None
