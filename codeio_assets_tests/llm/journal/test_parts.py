"""A journal by asset and shard: a step opens its own part, the commands see one journal, old journals are read."""

from pathlib import Path

import pytest

from codeio_assets.core.settings.models import Chat
from codeio_assets.llm import ChatResponse, Journal
from codeio_assets.llm.journal.segments import FolderSegments, lines_of
from codeio_assets.llm.journal.upkeep import merge, prune, segment_summaries
from codeio_assets.llm.session import ChatFolders, open_session
from codeio_assets_tests.llm.conftest import answered, request

ONE, TWO = "predictions/made-0001", "predictions/made-0002"


def record(folder: Path, part: str | None, *texts: str, word: str = "yes", label: str = "1") -> None:
    """Record answers in a segment; within a second, labels say which was first."""
    journal = Journal(folder, label, part)
    for text in texts:
        asked = request(text)
        journal.append(asked, answered(asked, f"{word} {text}"))
    journal.close()


def content(response: ChatResponse | None) -> str | None:
    return response.text if response else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal whose first answers an earlier release recorded, in the folder itself."""
    record(tmp_path, None, "old")
    record(tmp_path, ONE, "a", "b", label="2")
    record(tmp_path, TWO, "c", label="3")
    return tmp_path


def test_a_step_reads_its_own_part_and_what_was_there_before_parts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def watched(path: Path, start: int = 0):
        opened.append(path)
        return lines_of(path, start)

    monkeypatch.setattr("codeio_assets.llm.journal.journal.lines_of", watched)
    own = Journal(folder, part=ONE)
    assert content(own.get(request("a").key)) == "yes a"
    assert content(own.get(request("old").key)) == "yes old"
    assert own.get(request("c").key) is None
    assert {path.parent for path in opened} == {folder, folder / "parts" / ONE}


def test_who_names_no_part_sees_one_journal(folder: Path) -> None:
    whole = Journal(folder)
    assert len(whole) == 4
    assert {content(whole.get(request(text).key)) for text in ("old", "a", "b", "c")} == {
        *("yes old", "yes a", "yes b", "yes c")
    }
    assert whole.verify().records == 4
    assert [one.records for one in segment_summaries(FolderSegments(folder))] == [1, 2, 1]
    assert whole.export(folder / "export" / "all.jsonl") == 4


def test_the_first_record_of_a_key_counts_whatever_part_it_is_in(folder: Path) -> None:
    record(folder, TWO, "a", word="later", label="4")
    assert content(Journal(folder).get(request("a").key)) == "yes a"
    assert content(Journal(folder, part=TWO).get(request("a").key)) == "later a"


def test_a_merge_brings_all_answers_to_all_parts(folder: Path) -> None:
    reader = Journal(folder, part=ONE)
    assert merge(FolderSegments(folder)).segments_after == 1
    other = Journal(folder, part="predictions/renamed-0001")
    assert {content(other.get(request(text).key)) for text in ("a", "c", "old")} == {"yes a", "yes c", "yes old"}
    assert content(reader.get(request("b").key)) == "yes b", "who has it open reads it anew"


def test_a_prune_leaves_the_parts_apart(folder: Path) -> None:
    report = prune(FolderSegments(folder), lambda recorded: recorded.request.messages[0].content != "b")
    assert (report.segments_before, report.segments_after, report.kept, report.removed) == (3, 3, 3, 1)
    assert len(Journal(folder, part=ONE)) == 2
    assert len(Journal(folder, part=TWO)) == 2


def test_a_session_takes_a_part_and_batches_take_all(folder: Path) -> None:
    folders = ChatFolders(folder, folder, folder / "logs")
    settings = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    for requests, expected in (("one_by_one", "3 responses"), ("batches", "4 responses")):
        chat = Chat.model_validate({**settings, "requests": requests})
        with open_session(chat, folders, "run", part=ONE) as session:
            assert expected in repr(session.client)
