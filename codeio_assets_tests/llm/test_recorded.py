from dataclasses import replace

import pytest

from codeio_assets.llm import (
    ChatRequest,
    ChatServerError,
    Journal,
    Message,
    MissingRecording,
    Progress,
    RecordedChatClient,
    Sampling,
)
from codeio_assets.llm.recorded import difference, nearest_request
from codeio_assets_tests.llm.conftest import MODEL, answered, request

TEMPLATE = "You are given a function. Predict what it returns.\n\n{}\n\nAnswer as JSON."


def record(journal: Journal, *texts: str) -> list[ChatRequest]:
    requests = [request(text) for text in texts]
    for asked in requests:
        journal.append(asked, answered(asked, f"answer to {asked.messages[-1].content}"))
    return requests


def test_replays_in_order_without_a_server(journal: Journal) -> None:
    one, two = record(journal, "one", "two")
    seen: list[Progress] = []
    responses = RecordedChatClient(Journal(journal.folder), MODEL).complete([two, one, two], seen.append)
    assert [response.text for response in responses] == ["answer to two", "answer to one", "answer to two"]
    (progress,) = seen
    assert (progress.total, progress.done, progress.replayed, progress.failed) == (2, 2, 2, 0)
    assert progress.rate == 0


def test_an_unknown_request_names_its_key_the_nearest_and_the_way_to_record(journal: Journal) -> None:
    texts = [TEMPLATE.format(f"def {name}(x): return x") for name in ("area", "primes", "sorted_words")]
    record(journal, *texts)
    unknown = request(TEMPLATE.format("def primes(y): return y"))
    with pytest.raises(MissingRecording) as caught:
        RecordedChatClient(journal, MODEL).complete([request(texts[0]), unknown, request("far away")])
    said = str(caught.value)
    assert said.startswith(f"2 of 3 requests are not recorded in {journal.folder}")
    assert unknown.key in said
    assert request(texts[1]).key in said
    assert f"differs at character {TEMPLATE.index('{}') + 11}" in said
    assert "make record BASE_URL=" in said
    assert "\n" not in said


def test_a_changed_setting_is_named(journal: Journal) -> None:
    record(journal, "one", "two")
    with pytest.raises(MissingRecording, match=r"temperature 0\.7 recorded, 0\.0 asked"):
        RecordedChatClient(journal, MODEL).complete([request("two", temperature=0)])


def test_an_empty_journal_says_so(journal: Journal) -> None:
    with pytest.raises(ChatServerError, match="the journal is empty"):
        RecordedChatClient(journal, MODEL).complete([request("one")])


def test_the_nearest_has_the_same_model_first() -> None:
    asked = ChatRequest("a", (Message("user", "same text"),))
    other_model, other_text = replace(asked, model="b"), ChatRequest("a", (Message("user", "no"),))
    assert nearest_request(asked, [other_model, other_text]) == other_text
    assert nearest_request(asked, [other_model]) == other_model
    assert nearest_request(asked, []) is None


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (ChatRequest("b", (Message("user", "x"),)), "model 'b' recorded, 'a' asked"),
        (ChatRequest("a", (Message("user", "x"),), Sampling(seed=3)), "seed 3 recorded, 0 asked"),
        (ChatRequest("a", (Message("system", "x"),)), "message 1: role 'system' recorded, 'user' asked"),
        (ChatRequest("a", (Message("user", "x"),) * 2), "2 messages recorded, 1 asked"),
        (
            ChatRequest("a", (Message("user", "xyz"),)),
            "message 1 (user) differs at character 1: 'yz' recorded, '' asked",
        ),
    ],
)
def test_differences_are_told_in_one_line(recorded: ChatRequest, said: str) -> None:
    assert difference(ChatRequest("a", (Message("user", "x"),)), recorded) == said
