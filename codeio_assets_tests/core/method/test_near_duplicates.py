import pytest

from codeio_assets.core.method.near_duplicates import code_tokens, shingles


@pytest.mark.parametrize(
    ("code", "tokens"),
    [
        ("a = 1  # one\n\n\n", ["a", "=", "1"]),
        ("a=1", ["a", "=", "1"]),
        ("s = '# no comment'", ["s", "=", "'# no comment'"]),
        ('s = """a # b\n"c" """  # d', ["s", "=", '"""a # b\n"c" """']),
        ("s = rb'\\'' + f\"{x}\"", ["s", "=", "rb'\\''", "+", 'f"{x}"']),
        ("it's open\nx", ["it", "'s open", "x"]),
        ('"""never closed # x\ny', ['"""never closed # x\ny']),
        ("x ** y != ü", ["x", "*", "*", "y", "!", "=", "ü"]),
        ("", []),
        ("# only\n  # comments", []),
    ],
)
def test_tokens(code: str, tokens: list[str]) -> None:
    assert code_tokens(code) == tokens


@pytest.mark.parametrize("text", ['"a\\' * 50_000, "'''" + '"a\\' * 50_000, "x'''" * 50_000, "\\" * 50_001])
def test_a_large_odd_text_is_read_once(text: str) -> None:
    assert sum(map(len, code_tokens(text))) == len(text)


@pytest.mark.parametrize(
    ("tokens", "size", "expected"),
    [
        ([], 3, {""}),
        (["a"], 3, {"a"}),
        (["a", "b", "c"], 3, {"a b c"}),
        (["a", "b", "c", "d"], 3, {"a b c", "b c d"}),
        (["a", "a", "a", "a"], 2, {"a a"}),
    ],
)
def test_shingles(tokens: list[str], size: int, expected: set[str]) -> None:
    assert shingles(tokens, size) == expected
