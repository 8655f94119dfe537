"""A journal in object storage: an answer counts when its object is there, and a kill loses none that counted."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codeio_assets.llm import Journal, Ledger
from codeio_assets.llm.journal.objects import ObjectSegments
from codeio_assets.llm.journal.upkeep import merge, prune, segment_summaries
from codeio_assets.store import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.places import open_blobs
from codeio_assets_tests.llm.conftest import answered, request
from codeio_assets_tests.store.s3_server import BUCKET, S3Server, serving

ONE, TWO = "predictions/made-0001", "predictions/made-0002"
URL = f"s3://{BUCKET}/project"
KILLS = 6

APPENDER = """
import sys
from pathlib import Path
from codeio_assets.llm import ChatRequest, ChatResponse, Journal, Message
from codeio_assets.store.places import open_blobs

objects = open_blobs(Path(sys.argv[2]), sys.argv[3]).below("journal")
journal = Journal(Path(sys.argv[1]), "run", "predictions/made-0001", objects)
number = 0
while True:
    request = ChatRequest("m", (Message("user", f"{sys.argv[4]}-{number}"),))
    journal.append(request, ChatResponse(key=request.key, status="answered", model="m", text="x" * 5000))
    print(request.key, flush=True)
    number += 1
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    pytest.importorskip("obstore", reason="object storage takes the extra `scale`: pip install -e '.[scale]'")
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def machine(server: S3Server, tmp_path: Path) -> Callable[[str], Blobs]:
    """Return the storage as a machine sees it that has a cache of its own."""
    return lambda name: open_blobs(tmp_path / name, URL).below("journal")


def record(journal: Journal, *texts: str, word: str = "yes", at: str = "") -> None:
    for text in texts:
        asked = request(text)
        journal.append(asked, replace(answered(asked, f"{word} {text}"), created_at=at, prompt_tokens=3))


def texts(journal: Journal) -> set[str]:
    return {recorded.response.text for recorded in journal.records()}


def test_what_one_machine_records_another_finds_by_part_and_beside_an_old_journal(
    server: S3Server, machine: Callable[[str], Blobs], tmp_path: Path
) -> None:
    old = tmp_path / "old"
    record(Journal(old, "1"), "old")
    before = sorted(old.rglob("*"))
    writer = Journal(old, "run", ONE, machine("a"))
    record(writer, "a", "b")
    record(Journal(old, "run", TWO, machine("a")), "c")
    reader = Journal(old, "", ONE, machine("b"))
    assert texts(reader) == {"yes old", "yes a", "yes b"}
    assert texts(Journal(old, "", None, machine("c"))) == {"yes old", "yes a", "yes b", "yes c"}
    assert sorted(old.rglob("*")) == before, "the folder gets no more"
    record(writer, "d")
    assert reader.refresh() == 1
    assert reader.get(request("a").key) == writer.get(request("a").key)
    report = Journal(old, objects=machine("b")).verify()
    assert (report.records, report.duplicates, report.problems) == (5, 0, ())
    assert len([key for key in server.objects if key.startswith("project/journal/parts/predictions/")]) == 4


def test_who_ends_well_leaves_one_object_and_the_answers_that_count(
    server: S3Server, machine: Callable[[str], Blobs], tmp_path: Path
) -> None:
    first, reader = (Journal(tmp_path / "none", "run", ONE, machine(name)) for name in ("a", "b"))
    record(first, "a", "b", "c")
    reader.refresh()
    answers = {text: reader.get(request(text).key) for text in ("a", "b", "c")}
    first.close()
    (name,) = (key for key in server.objects if "/parts/" in key)
    assert "-run-" in name
    for path in (tmp_path / "b").rglob("*.jsonl"):
        path.unlink()  # as when the cache was full
    assert {text: reader.get(request(text).key) for text in answers} == answers
    assert first.get(request("b").key) == answers["b"]
    record(first, "d")
    reader.refresh()
    assert texts(reader) == {"yes a", "yes b", "yes c", "yes d"}


def test_an_answer_does_not_count_whose_object_could_not_be_written(
    server: S3Server, machine: Callable[[str], Blobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.store.objects.RETRIES", {"max_retries": 1})
    journal = Journal(tmp_path / "none", "run", ONE, machine("a"))
    record(journal, "a")
    server.fails = True
    with pytest.raises(StoreError, match="cannot be used"):
        record(journal, "b")
    journal.close()  # an outage leaves the objects as they are
    server.fails = False
    assert request("b").key not in journal
    assert texts(Journal(tmp_path / "none", objects=machine("b"))) == {"yes a"}


def test_upkeep_and_ledgers_see_objects_as_they_see_files(
    server: S3Server, machine: Callable[[str], Blobs], tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    segments = ObjectSegments(machine("a"), tmp_path / "none")
    for label, part, text, at in (("run1", ONE, "a", now - timedelta(days=2)), ("run2", TWO, "b", now)):
        journal = Journal(tmp_path / "none", label, part, machine("a"))
        record(journal, text, at=at.isoformat())
        record(journal, f"{text}2", at=at.isoformat())
        journal.close()
    assert Ledger(segments, {}).refresh().tokens == 4 * 3
    assert Ledger(segments, {}, label="run1").refresh().tokens == 2 * 3
    assert Ledger(segments, {}, since=now - timedelta(hours=1)).refresh().tokens == 2 * 3
    assert [one.records for one in segment_summaries(segments)] == [2, 2]
    assert prune(segments, lambda recorded: recorded.response.text != "yes a2").removed == 1
    assert texts(Journal(tmp_path / "none", "", ONE, machine("b"))) == {"yes a"}
    assert merge(segments).segments_after == 1
    assert texts(Journal(tmp_path / "none", "", "predictions/renamed", machine("b"))) == {"yes a", "yes b", "yes b2"}


def test_whatever_append_confirmed_survives_kill_9(
    server: S3Server, machine: Callable[[str], Blobs], tmp_path: Path
) -> None:
    moments, confirmed = random.Random(4), list[str]()
    for number in range(KILLS):
        arguments = [str(tmp_path / "none"), str(tmp_path / "a"), URL, str(number)]
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, *arguments], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            confirmed += [process.stdout.readline().strip() for _ in range(moments.randrange(1, 10))]
            time.sleep(moments.uniform(0, 0.02))
            process.kill()
            confirmed += [line.strip() for line in process.stdout if line.endswith("\n")]
    journal = Journal(tmp_path / "none", objects=machine("b"))
    assert set(confirmed) <= set(journal.keys())
    report = journal.verify()
    assert (report.corrupt, report.duplicates, report.torn_tails) == (0, 0, 0)
    assert len(confirmed) <= report.records <= len(confirmed) + KILLS
