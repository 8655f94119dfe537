import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.llm import ChatRequest, ChatResponse, Journal, Message, Sampling
from codeio_assets.llm.journal.lines import CorruptLine, decode_line, encode_line, line_key
from codeio_assets_tests.llm.conftest import answered, request


def fill(journal: Journal, *texts: str) -> list[ChatRequest]:
    requests = [request(text) for text in texts]
    for asked in requests:
        journal.append(asked, answered(asked, f"answer to {asked.messages[-1].content}"))
    return requests


def only_segment(journal: Journal) -> Path:
    (path,) = journal.folder.glob("*.jsonl")
    return path


def test_append_then_get_here_and_in_another_journal_object(journal: Journal) -> None:
    (asked,) = fill(journal, "one")
    for reader in (journal, Journal(journal.folder)):
        assert len(reader) == 1
        assert asked.key in reader
        assert reader.get(asked.key) == answered(asked, "answer to one")
        assert reader.get(request("two").key) is None


def test_records_hold_the_whole_request(journal: Journal) -> None:
    asked = ChatRequest(
        "m", (Message("system", "be brief"), Message("user", "grüße\n")), Sampling(0, 1, 9, None, ("\n",))
    )
    journal.append(asked, answered(asked))
    (recorded,) = Journal(journal.folder).records()
    assert recorded.request == asked
    assert recorded.request.key == recorded.response.key == asked.key


def test_equal_requests_written_differently_have_one_key() -> None:
    as_integers, as_floats = request("x", temperature=0, top_p=1), request("x", temperature=0.0, top_p=1.0)
    assert as_integers.key == as_floats.key
    assert request("x", stop=["a"]).key == request("x", stop=("a",)).key


@pytest.mark.parametrize(
    "other",
    [
        request("y"),
        request("x", temperature=0.1),
        request("x", top_p=0.9),
        request("x", max_tokens=5),
        request("x", seed=1),
        request("x", stop=("a",)),
        ChatRequest("other", (Message("user", "x"),)),
        ChatRequest("stub-model", (Message("assistant", "x"),)),
    ],
)
def test_whatever_decides_the_answer_is_in_the_key(other: ChatRequest) -> None:
    assert other.key != request("x").key


def test_the_line_format_is_what_recorded_journals_hold() -> None:
    """Committed journals are read by this format: a change of it needs a new version that reads both."""
    asked = request("x")
    line = encode_line(asked, answered(asked))
    body = {
        "key": asked.key,
        "request": {
            "messages": [{"content": "x", "role": "user"}],
            "model": "stub-model",
            "sampling": {"max_tokens": 4096, "seed": 0, "stop": [], "temperature": 0.7, "top_p": 1.0},
        },
        "response": {
            "attempts": 1,
            "completion_tokens": 0,
            "created_at": "",
            "failure": None,
            "finish_reason": "stop",
            "latency_s": 0.0,
            "model": "m",
            "prompt_tokens": 0,
            "reasoning": None,
            "status": "answered",
            "text": "yes",
        },
        "version": 1,
    }
    assert json.loads(line) == {"checksum": "09f2f850a5f0e291", **body}
    assert asked.key == "bacd2bd3fa93c9f0cf1683e2b1930e183120ffa9d09d9427e8b8b3ca30dc48bd"


@given(
    texts=st.lists(st.text(st.characters(codec=None, exclude_categories=())), min_size=1, max_size=3),
    reasoning=st.none() | st.text(),
    latency_s=st.floats(0, 1e6),
)
def test_lines_round_trip(texts: list[str], reasoning: str | None, latency_s: float) -> None:
    asked = ChatRequest("m", tuple(Message("user", text) for text in texts))
    response = replace(answered(asked, texts[0]), reasoning=reasoning, latency_s=latency_s)
    line = encode_line(asked, response)
    assert line.count(b"\n") == 1
    assert line_key(line) == asked.key
    recorded = decode_line(line)
    assert (recorded.request, recorded.response) == (asked, response)


@given(data=st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    asked = request("x")
    line = encode_line(asked, answered(asked))
    at = data.draw(st.integers(0, len(line) - 2))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (line[at], 10)))
    with pytest.raises(CorruptLine):
        decode_line(line[:at] + bytes([value]) + line[at + 1 :])


def test_a_torn_tail_costs_only_itself(journal: Journal) -> None:
    requests = fill(journal, "one", "two", "three")
    journal.close()
    path = only_segment(journal)
    whole = path.read_bytes()
    second_ends = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for cut in range(second_ends + 1, len(whole)):
        path.write_bytes(whole[:cut])
        reader = Journal(journal.folder)
        assert [asked.key in reader for asked in requests] == [True, True, False]
    report = reader.verify()
    assert (report.records, report.torn_tails, report.corrupt, report.is_sound) == (2, 1, 0, True)
    again = fill(reader, "three")  # a new segment, so the torn tail never joins a new line
    assert again[0].key in Journal(journal.folder)
    reader.close()


def test_a_corrupt_line_is_skipped_counted_and_named(journal: Journal) -> None:
    requests = fill(journal, "one", "two", "three")
    path = only_segment(journal)
    whole = path.read_bytes()
    at = whole.index(b"answer to two")
    path.write_bytes(whole[:at] + b"answer to 2!!" + whole[at + 13 :])
    reader = Journal(journal.folder)
    assert [asked.key in reader for asked in requests] == [True, False, True]
    assert reader.corrupt_lines == 1
    report = reader.verify()
    assert not report.is_sound
    second_begins = whole.index(b"\n") + 1
    assert report.problems == (f"{path.name} at byte {second_begins}: the checksum does not hold",)
    assert journal.get(requests[1].key) is None, "a record that went bad after indexing is not handed out"


@pytest.mark.parametrize("junk", [b"not json\n", b"{}\n", b"\n", b"\x00" * 100 + b"\n", b"\xff\xfe\n"])
def test_foreign_lines_are_skipped(journal: Journal, junk: bytes) -> None:
    (asked,) = fill(journal, "one")
    path = only_segment(journal)
    path.write_bytes(junk + path.read_bytes() + junk)
    reader = Journal(journal.folder)
    assert reader.get(asked.key) == answered(asked, "answer to one")
    assert reader.corrupt_lines == 2


def test_verify_notices_a_line_whose_key_is_not_its_requests(journal: Journal) -> None:
    asked = request("one")
    journal.folder.mkdir()
    (journal.folder / "a.jsonl").write_bytes(encode_line(asked, replace(answered(asked), key="0" * 64)))
    assert not journal.verify().is_sound


def test_failed_or_foreign_responses_are_not_recorded(journal: Journal) -> None:
    asked = request("one")
    with pytest.raises(ValueError, match="not recordable"):
        journal.append(asked, ChatResponse(key=asked.key, status="failed", model="m", failure="http_500"))
    with pytest.raises(ValueError, match="not recordable"):
        journal.append(asked, answered(request("two")))
    assert len(journal) == 0
    assert not journal.folder.exists()


def test_the_first_record_of_a_key_counts_whatever_the_order_of_reading(tmp_path: Path) -> None:
    asked = request("one")
    early, late = answered(asked, "early"), answered(asked, "late")
    (tmp_path / "20260102T000000-1-b.jsonl").write_bytes(encode_line(asked, late))
    journal = Journal(tmp_path)
    assert journal.get(asked.key) == late
    (tmp_path / "20260101T000000-1-a.jsonl").write_bytes(encode_line(asked, early))
    assert journal.refresh() == 0
    assert journal.get(asked.key) == early == Journal(tmp_path).get(asked.key)
    assert journal.append(asked, answered(asked, "third")) == early
    report = journal.verify()
    assert (report.segments, report.records, report.duplicates) == (2, 1, 1)


def test_refresh_finds_what_others_append_also_half_way(journal: Journal, tmp_path: Path) -> None:
    reader = Journal(journal.folder)
    first, second = request("one"), request("two")
    line = encode_line(second, answered(second))
    journal.folder.mkdir()
    path = journal.folder / "other.jsonl"
    path.write_bytes(encode_line(first, answered(first)) + line[:50])
    assert reader.refresh() == 1
    with path.open("ab") as file:
        file.write(line[50:])
    assert reader.refresh() == 1
    assert reader.get(second.key) == answered(second)
    assert reader.corrupt_lines == 0


def test_a_merged_journal_goes_on_being_read(journal: Journal) -> None:
    requests = fill(journal, "one", "two")
    reader = Journal(journal.folder)
    segment = only_segment(journal)
    journal.export(journal.folder / "merged.jsonl")
    segment.unlink()
    assert [reader.get(asked.key) is not None for asked in requests] == [True, True]


def test_export_is_deterministic_sorted_and_a_journal_itself(journal: Journal, tmp_path: Path) -> None:
    requests = fill(journal, "one", "two", "three")
    other = Journal(tmp_path / "other")
    fill(other, "three", "one", "two")
    other.close()
    first, second = tmp_path / "a" / "responses.jsonl", tmp_path / "b.jsonl"
    assert journal.export(first) == other.export(second) == 3
    assert first.read_bytes() == second.read_bytes()
    keys = [json.loads(line)["key"] for line in first.read_text().splitlines()]
    assert keys == sorted(asked.key for asked in requests)
    exported = Journal(first.parent)
    assert [r.response for r in exported.records()] == [r.response for r in journal.records()]
    assert exported.verify().is_sound
    assert [path.name for path in first.parent.iterdir()] == ["responses.jsonl"]


def test_export_of_chosen_keys(journal: Journal, tmp_path: Path) -> None:
    one, two, _ = fill(journal, "one", "two", "three")
    assert journal.export(tmp_path / "some.jsonl", keys=[two.key, one.key, two.key]) == 2
    with pytest.raises(KeyError, match=request("four").key):
        journal.export(tmp_path / "none.jsonl", keys=[request("four").key])
    assert not (tmp_path / "none.jsonl").exists()


def test_each_append_is_synced_before_it_returns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_size)))
    for text in ("one", "two"):
        fill(journal, text)
        assert synced[-1] == only_segment(journal).stat().st_size


def test_a_full_disk_is_an_error_and_leaves_no_half_line(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = fill(journal, "one")
    real = os.write

    def full_after_ten_bytes(descriptor: int, data: bytes) -> int:
        if len(data) > 10 and not full_after_ten_bytes.hit:
            full_after_ten_bytes.hit = True
            return real(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    full_after_ten_bytes.hit = False
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full_after_ten_bytes)
        with pytest.raises(OSError, match="No space left"):
            fill(journal, "two")
    assert request("two").key not in journal
    (third,) = fill(journal, "three")
    assert Journal(journal.folder).keys() == sorted([first.key, third.key])
    assert journal.verify().is_sound


def test_threads_share_a_journal(journal: Journal) -> None:
    def work(number: int) -> None:
        fill(journal, *(f"{number}-{i}" for i in range(25)), *(f"shared-{i}" for i in range(25)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    report = Journal(journal.folder).verify()
    assert (report.records, report.duplicates, report.corrupt, report.segments) == (225, 0, 0, 1)


APPENDER = """
import sys
from pathlib import Path
from codeio_assets.llm import ChatRequest, ChatResponse, Journal, Message

folder, number = Path(sys.argv[1]), sys.argv[2]
journal = Journal(folder)
for text in [*(f"{number}-{i}" for i in range(50)), *(f"shared-{i}" for i in range(10))]:
    request = ChatRequest("m", (Message("user", text),))
    journal.append(request, ChatResponse(key=request.key, status="answered", model="m", text=text))
"""


def test_processes_share_a_folder(journal: Journal) -> None:
    command = [sys.executable, "-c", APPENDER, str(journal.folder)]
    workers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    exits = [worker.wait(120) for worker in workers]
    assert exits == [0] * 4
    journal.refresh()
    report = journal.verify()
    assert (len(journal), report.records, report.corrupt, report.torn_tails) == (210, 210, 0, 0)
    assert report.segments == 4


def test_a_forked_child_writes_a_segment_of_its_own(journal: Journal) -> None:
    fill(journal, "parent")
    child = os.fork()
    if child == 0:
        try:
            fill(journal, "child")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    fill(journal, "parent again")
    journal.refresh()
    assert len(journal) == 3
    assert len(list(journal.folder.glob("*.jsonl"))) == 2
    assert journal.verify().is_sound
