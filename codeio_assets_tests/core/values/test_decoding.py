"""The one decoder: whatever it is given, it returns a value within the bounds or says `Undecodable`, quickly."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.core.values.decoding import (
    MAX_DEPTH,
    TOO_DEEP,
    TOO_LONG,
    Bounds,
    Undecodable,
    count_of,
    decode_json,
    is_deeper,
    storable_text,
    within_bounds,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FRAGMENTS = st.lists(
    st.sampled_from(
        ['{"a":', "[", "]", "}", ",", ":", '"', '\\"', "\\ud83d", "\\u0000", "NaN", "-Infinity", "1e999", "9" * 4_400]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


def deep(levels: int, inner: str = "1") -> str:
    return "[" * levels + inner + "]" * levels


def reason_of(data: bytes | str, bounds: Bounds | None = None) -> str:
    with pytest.raises(Undecodable) as caught:
        decode_json(data, bounds or Bounds())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    return caught.value.reason


@settings(deadline=None)
@given(JSON_VALUES)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(decode_json(text)) == text
    assert canonical_json(decode_json(text.encode())) == text
    assert canonical_json(decode_json("\ufeff" + text)) == text


@settings(deadline=None, max_examples=300)
@given(FRAGMENTS | st.binary(max_size=60))
@example("[" * 200_000)
@example('{"a":' * 100_000)
@example(deep(990))
@example(deep(100_000))
@example("9" * 5_000)
@example("1" + "0" * 100_000)
@example("-" * 1_000)
@example('"\\ud800')
@example(b"\xff\xfe[\x00]\x00")
@example(b"\xef\xbb\xbf")
@example("")
def test_every_text_ends_as_a_value_or_as_undecodable(data: bytes | str) -> None:
    for storable in (False, True):
        try:
            value = decode_json(data, storable=storable)
        except Undecodable:
            continue
        assert not is_deeper(value, MAX_DEPTH)
        text = canonical_json(value)  # what was read can be written, whoever calls
        assert not storable or "\\ud8" not in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ('{"a": 1} x', "not_json"),
        ('"a\0b"', "not_json"),
        ("\0", "not_json"),
        (b'"\xff"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        (json.dumps([1]).encode("utf-16"), "not_utf8"),
        (json.dumps([1]).encode("utf-32-le"), "not_json"),
        (deep(MAX_DEPTH + 1), "too_deep"),
        (deep(980), "too_deep"),
        (deep(200_000), "too_deep"),
        ('{"a":' * 300 + "1" + "}" * 300, "too_deep"),
        ("9" * 4_301, "number_too_long"),
        ('{"a": -' + "9" * 10_000 + "}", "number_too_long"),
    ],
)
def test_what_is_refused_has_a_reason(data: bytes | str, reason: str) -> None:
    assert reason_of(data) == reason


def test_bounds_are_kept_to_the_last_step() -> None:
    assert decode_json(deep(MAX_DEPTH)) is not None
    assert decode_json("9" * 4_300) == int("9" * 4_300)
    assert decode_json("[" + "[[]]," * 500 + "1]") is not None  # many brackets, not deep
    small = Bounds(max_bytes=10, max_items=3)
    assert decode_json(b"[1,2]     ", small) == [1, 2]
    assert decode_json('",,,,,,,,"', small) == ",,,,,,,,"
    assert reason_of(b"[1,2]      ", small) == "too_large"
    assert reason_of("[1,2,3,4]", small) == "too_many_items"
    assert reason_of("[[],[]]", small) == "too_many_items"


def test_special_numbers_are_values() -> None:
    assert decode_json("[1e999, -Infinity]") == [math.inf, -math.inf]
    assert math.isnan(decode_json("NaN"))


@pytest.mark.parametrize("data", ["[" * 8_000_000, '"' * 4_000_001, '\\"' * 2_000_000, '{"a":' * 1_000_000])
def test_a_hostile_text_takes_no_more_time_than_a_good_one(data: str) -> None:
    started = time.process_time()
    assert reason_of(data)
    within_bounds(data)
    assert time.process_time() - started < 5.0


def test_strings_can_be_made_storable() -> None:
    text = '{"k\\udc00": ["\\ud83d\\ude00 a\\u0000b \\ud83d", 1.5, null, true]}'
    assert decode_json(text, storable=True) == {"k\ufffd": ["\U0001f600 a\ufffdb \ufffd", 1.5, None, True]}
    assert decode_json(text)["k\udc00"][0].endswith("\ud83d")
    assert decode_json('"\ud800"', storable=True) == "\ufffd"
    assert storable_text("a\ud800b") == "a\\ud800b"


def test_counts_are_whole_and_bounded() -> None:
    assert [count_of(value) for value in (None, 0, 7, 7.0, 2**53)] == [0, 0, 7, 7, 2**53]
    for value in (-1, 1.5, math.inf, math.nan, 10**30, "7", True, [], {}):
        with pytest.raises(ValueError, match="not a count"):
            count_of(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"id": 1, "x": ' + deep(980) + "}", {"id": 1, "x": "deep"}),
        ('{"x": [' + deep(50_000) + ', "]", 2], "id": 1}', {"x": ["deep", "]", 2], "id": 1}),
        ('{"id": "' + "[" * 500 + '", "n": ' + "9" * 5_000 + "}", {"id": "[" * 500, "n": "long"}),
        ('{"n": -' + "9" * 5_000 + ', "f": 0.' + "3" * 5_000 + "}", {"n": "long", "f": 1 / 3}),
        ('{"f": ' + "9" * 5_000 + '.5, "e": 1e' + "0" * 5_000 + "1}", {"f": math.inf, "e": 10.0}),
    ],
)
def test_what_is_out_of_bounds_can_be_cut_out_of_a_line(text: str, value: Any) -> None:
    def marked(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: marked(item) for key, item in part.items()}
        if isinstance(part, list):
            inner = part
            while len(inner) == 1 and isinstance(inner[0], list):
                inner = inner[0]
            return "deep" if inner == [TOO_DEEP] else [marked(item) for item in part]
        return {TOO_DEEP: "deep", TOO_LONG: "long"}.get(part, part)

    assert marked(decode_json(within_bounds(text))) == value


@settings(deadline=None)
@given(JSON_VALUES)
def test_what_is_within_bounds_is_not_cut(value: Any) -> None:
    text = canonical_json(value)
    assert within_bounds(text) == text
