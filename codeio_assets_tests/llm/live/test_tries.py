import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.llm import Backoff
from codeio_assets.llm.live.replies import error_text, parse_completion, split_reasoning
from codeio_assets.llm.live.tries import TryFailed, retry_after_s

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, NOW) == wait_s


@given(
    tries=st.integers(1, 10_000),
    asked_s=st.none() | st.floats(0, 1e6),
    base_s=st.floats(0.001, 10),
    cap_s=st.floats(0.001, 100),
    seed=st.integers(0, 9),
)
def test_waits_stay_between_their_bounds(
    tries: int, asked_s: float | None, base_s: float, cap_s: float, seed: int
) -> None:
    wait_s = Backoff(base_s, cap_s).wait_s(tries, asked_s, random.Random(seed))
    assert (asked_s or 0) <= wait_s <= max(cap_s, asked_s or 0)
    assert wait_s >= min(cap_s, base_s * 2 ** min(tries - 1, 30)) / 2


def test_waits_double() -> None:
    rng = random.Random(0)
    waits = [Backoff(1, 1000).wait_s(tries, None, rng) for tries in range(1, 8)]
    assert all(2 ** (n - 1) / 2 <= wait <= 2 ** (n - 1) for n, wait in enumerate(waits, 1))


@given(body=st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: str(value).encode()))
def test_no_body_breaks_the_reading(body: bytes) -> None:
    with pytest.raises(TryFailed):
        parse_completion(body)
    assert len(error_text(body)) <= 300
    assert "\n" not in error_text(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": 7}}', "7 t m"),
        (b'{"error": "plain"}', "plain"),
        (b'{"detail": "not found"}', "not found"),
        (b'{"object": "error", "message": "m", "code": 404}', "404 m"),
        (b"<html>\n bad \n</html>", "<html> bad </html>"),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_error_bodies_of_several_servers(body: bytes, text: str) -> None:
    assert error_text(body) == text


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "42"}, "42", None),
        ({"content": "42", "reasoning_content": "6 * 7"}, "42", "6 * 7"),
        ({"content": "<think>\n6 * 7\n</think>\n\n42"}, "42", "6 * 7"),
        ({"content": "6 * 7\n</think>\n42"}, "42", "6 * 7"),
        ({"content": "<think>cut o"}, "", "cut o"),
        ({"content": "the tag <think>x</think> is text"}, "the tag <think>x</think> is text", None),
        ({"content": [{"type": "text", "text": "4"}, {"type": "text", "text": "2"}]}, "42", None),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "6 * 7"}]}, "42"]}, "42", "6 * 7"),
        ({"content": "<think>a</think>b", "reasoning": "kept apart"}, "<think>a</think>b", "kept apart"),
    ],
)
def test_reasoning_is_kept_apart(message: dict[str, Any], text: str, reasoning: str | None) -> None:
    assert split_reasoning(message) == (text, reasoning)
