import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.core.values.canonical import canonical_json, content_id, sha256_hex

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())  # lone surrogates included
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@settings(deadline=None)
@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    text.encode()  # whatever the value held, the text can be stored


@settings(deadline=None)
@given(st.dictionaries(st.text(), SCALARS, min_size=2, max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true],"b":1}'),
        ("é中", '"é中"'),
        ("\ud800é", '"\\ud800\\u00e9"'),
        ({"\udfff": 1}, '{"\\udfff":1}'),
        ("\U0001f600", '"\U0001f600"'),
        ('"\\\n\x00', '"\\"\\\\\\n\\u0000"'),
        (10**40, "1" + "0" * 40),
        (-0.0, "-0.0"),
        (1e400, "Infinity"),
        (-1e400, "-Infinity"),
        ((1, (2,)), "[1,[2]]"),
        ({1: "a"}, '{"1":"a"}'),
        ([], "[]"),
    ],
)
def test_the_text(value: Any, text: str) -> None:
    assert canonical_json(value) == text


def test_not_a_number_comes_back() -> None:
    assert canonical_json([math.nan]) == "[NaN]"
    assert math.isnan(json.loads(canonical_json(math.nan)))


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, "null"), ([], {})])
def test_values_of_different_types_have_different_texts(one: Any, other: Any) -> None:
    assert canonical_json(one) != canonical_json(other)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), 1j, {(1, 2): 3}])
def test_what_json_has_no_form_for_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_value_that_contains_itself_is_a_value_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        canonical_json(loop)


def test_sha256_of_text_is_that_of_its_utf8() -> None:
    assert sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_hex("é") == sha256_hex(b"\xc3\xa9")


def test_a_content_id_names_its_fields() -> None:
    assert content_id(a=1, b=2) == content_id(b=2, a=1) == sha256_hex('{"a":1,"b":2}')
    assert content_id(a=1) != content_id(b=1)
    assert content_id(a="12") != content_id(a=12)
    assert len(content_id(text="\ud800")) == 64
