import pytest

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.revision import ANSWER_FORMS, NEEDS_REVISION, next_messages
from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.tables.data import DIRECTIONS, VERDICT_STATUSES


def test_every_verdict_that_blames_the_answer_gets_another_turn() -> None:
    assert set(VERDICT_STATUSES) - NEEDS_REVISION == {"correct", "infrastructure"}
    assert set(VERDICT_STATUSES) >= NEEDS_REVISION


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_conversation_goes_on_with_the_response_and_the_feedback(direction: str) -> None:
    so_far = [("user", "the prompt")]
    feedback = "It gives $3 ${x} \\1"
    messages = next_messages(so_far, "my response", feedback, direction, load_prompt("revise"))
    assert messages[:2] == [("user", "the prompt"), ("assistant", "my response")]
    assert [role for role, _ in messages] == ["user", "assistant", "user"]
    assert feedback in messages[2][1]
    assert ANSWER_FORMS[direction] in messages[2][1]
    assert so_far == [("user", "the prompt")]


def test_turns_pile_up() -> None:
    prompt = load_prompt("revise")
    second = next_messages([("user", "p")], "r1", "f1", "output", prompt)
    third = next_messages(second, "r2", "f2", "output", prompt)
    assert third[: len(second)] == second
    assert [role for role, _ in third] == ["user", "assistant"] * 2 + ["user"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_answer_form_that_is_asked_for_is_no_answer_itself(direction: str) -> None:
    assert not extract_answer(ANSWER_FORMS[direction], direction).found
