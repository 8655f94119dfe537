"""Upkeep of journals: list, merge, prune; and nothing that counts ever changes."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codeio_assets.cli import llm as cli_llm
from codeio_assets.llm import ChatResponse, Journal
from codeio_assets.llm.journal.segments import FolderSegments
from codeio_assets.llm.journal.upkeep import merge, prune, segment_summaries
from codeio_assets_tests.llm.conftest import MODEL, answered, request


def segment(folder: Path, *texts: str, at: str = "2026-01-02T00:00:00+00:00", word: str = "yes") -> Journal:
    """Record texts in a segment of their own and leave it, as a process that ended does."""
    journal = Journal(folder)
    for text in texts:
        asked = request(text)
        journal.append(asked, replace(answered(asked, f"{word} {text}"), created_at=at))
    journal.close()
    return journal


def answers(folder: Path) -> dict[str, ChatResponse]:
    return {recorded.request.messages[0].content: recorded.response for recorded in Journal(folder).records()}


def test_a_list_tells_what_each_segment_holds(tmp_path: Path) -> None:
    segment(tmp_path, "a", "b")
    open_journal = Journal(tmp_path)
    open_journal.append(request("c"), answered(request("c")))
    free, busy = sorted(segment_summaries(FolderSegments(tmp_path)), key=lambda one: one.is_in_use)
    assert (free.records, free.corrupt, free.models, free.first_at) == (2, 0, {MODEL: 2}, "2026-01-02T00:00:00+00:00")
    assert (busy.records, busy.is_in_use, busy.first_at) == (1, True, "")
    open_journal.close()
    assert not any(one.is_in_use for one in segment_summaries(FolderSegments(tmp_path)))


def test_a_merge_changes_no_answer(tmp_path: Path) -> None:
    for number in range(5):
        segment(tmp_path, *(f"{number}-{n}" for n in range(4)))
    twice = sorted(tmp_path.glob("*.jsonl"))[0]
    (tmp_path / "29990101T000000-9-late.jsonl").write_bytes(twice.read_bytes())
    before = answers(tmp_path)
    reader = Journal(tmp_path)
    report = merge(FolderSegments(tmp_path))
    assert (report.segments_before, report.segments_after, report.kept, report.removed) == (6, 1, 20, 0)
    assert answers(tmp_path) == before
    assert Journal(tmp_path).verify().duplicates == 0
    assert reader.get(request("3-2").key) == before["3-2"], "who has it open reads it anew"


def test_a_segment_in_use_is_left_alone(tmp_path: Path) -> None:
    segment(tmp_path, "a")
    writer = Journal(tmp_path)
    writer.append(request("b"), answered(request("b")))
    report = merge(FolderSegments(tmp_path))
    assert (report.in_use, report.kept) == (1, 1)
    writer.append(request("c"), answered(request("c")))
    assert set(answers(tmp_path)) == {"a", "b", "c"}
    writer.close()


def test_journals_of_other_machines_are_taken_over_and_ours_count(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    segment(ours, "a", word="ours")
    segment(other, "a", "b", word="theirs")
    assert merge(FolderSegments(ours), [other]).kept == 2
    assert {text: response.text for text, response in answers(ours).items()} == {"a": "ours a", "b": "theirs b"}
    assert len(answers(other)) == 2


def test_a_prune_removes_what_is_refused_and_a_writer_goes_on(tmp_path: Path) -> None:
    journal = segment(tmp_path, "a", "b", "c")
    assert (
        prune(FolderSegments(tmp_path), lambda recorded: "b" not in recorded.response.text, dry_run=True).removed == 1
    )
    assert len(answers(tmp_path)) == 3
    report = prune(FolderSegments(tmp_path), lambda recorded: "b" not in recorded.response.text)
    assert (report.kept, report.removed) == (2, 1)
    assert set(answers(tmp_path)) == {"a", "c"}
    assert journal.get(request("b").key) is None
    journal.append(request("b"), answered(request("b"), "again"))
    assert answers(tmp_path)["b"].text == "again"
    journal.close()


def test_nothing_left_leaves_no_segment(tmp_path: Path) -> None:
    segment(tmp_path, "a")
    assert prune(FolderSegments(tmp_path), lambda _recorded: False).segments_after == 0
    assert merge(FolderSegments(tmp_path)).kept == 0


@pytest.mark.parametrize(
    ("command", "said", "code"),
    [
        (["list"], "3 records", 0),
        (["verify"], "3 responses in 1 segment(s); 0 recorded twice, 0 corrupt", 0),
        (["prune"], "say what to remove", 2),
        (["prune", "--older-than-days", "1", "--dry-run"], "would remove 3", 0),
        (["prune", "--model", "other"], "3 responses kept, removed 0", 0),
        (["prune", "--model", MODEL, "--older-than-days", "1"], "0 responses kept, removed 3", 0),
        (["merge"], "3 responses kept", 0),
        (["merge", "no-such-folder"], "is no folder", 2),
    ],
)
def test_the_commands(command: list[str], said: str, code: int, tmp_path: Path) -> None:
    segment(tmp_path, "a", "b", "c")
    done = CliRunner().invoke(cli_llm.app, ["journal", command[0], "--folder", str(tmp_path), *command[1:]])
    assert (said in done.output, done.exit_code) == (True, code), done.output


def test_a_damaged_journal_is_told_with_exit_code_1(tmp_path: Path) -> None:
    segment(tmp_path, "a", "b")
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"yes a", b"yes x"))
    done = CliRunner().invoke(cli_llm.app, ["journal", "verify", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert f"{path.name} at byte 0: the checksum does not hold" in done.output


def test_an_export_of_everything_is_a_journal(tmp_path: Path) -> None:
    segment(tmp_path / "journal", "a", "b")
    target = tmp_path / "out" / "responses.jsonl"
    done = CliRunner().invoke(
        cli_llm.app, ["journal", "export", str(target), "--all", "--folder", str(tmp_path / "journal")]
    )
    assert done.output == f"2 responses in {target}\n"
    assert answers(target.parent) == answers(tmp_path / "journal")
