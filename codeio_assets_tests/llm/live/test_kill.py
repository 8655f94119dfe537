"""kill -9 at random moments: what had been answered stays, and only the rest is asked again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.llm import ChatRequest, Journal, Message, OpenAIChatClient
from codeio_assets_tests.llm.conftest import MODEL, request
from codeio_assets_tests.llm.stub_server import StubServer, answer

CONCURRENCY = 8
KILLS = int(os.environ.get("CODEIO_KILLS", "5"))
"""`make test-kill` sets 50: that many kills during 2,000 requests."""
REQUESTS = 40 * KILLS

APPENDER = """
import sys
from pathlib import Path
from codeio_assets.llm import ChatRequest, ChatResponse, Journal, Message

journal, number = Journal(Path(sys.argv[1])), 0
while True:
    request = ChatRequest("m", (Message("user", f"{sys.argv[2]}-{number}"),))
    journal.append(request, ChatResponse(key=request.key, status="answered", model="m", text="x" * 5000))
    print(request.key, flush=True)
    number += 1
"""

ASKER = """
import sys
from pathlib import Path
from codeio_assets.llm import ChatRequest, Journal, Message, OpenAIChatClient

base_url, folder, model, concurrency = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
count = int(sys.argv[5]) if len(sys.argv) > 5 else 200
requests = [ChatRequest(model, (Message("user", f"prompt {number}"),)) for number in range(count)]
OpenAIChatClient(base_url, model, Journal(folder), concurrency=concurrency).complete(requests)
"""


def test_whatever_append_confirmed_survives_kill_9(tmp_path: Path) -> None:
    moments = random.Random(4)
    confirmed: list[str] = []
    for number in range(6):
        command = [sys.executable, "-c", APPENDER, str(tmp_path), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            confirmed += [process.stdout.readline().strip() for _ in range(moments.randrange(1, 20))]
            time.sleep(moments.uniform(0, 0.01))
            process.kill()
            confirmed += [line.strip() for line in process.stdout if line.endswith("\n")]
    journal = Journal(tmp_path)
    assert set(confirmed) <= set(journal.keys())
    report = journal.verify()
    assert (report.corrupt, report.duplicates) == (0, 0)
    assert len(confirmed) <= report.records <= len(confirmed) + 6


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_kill_9_at_random_moments(tmp_path: Path, client_of: Callable[..., OpenAIChatClient], journal: Journal) -> None:
    moments = random.Random(5)
    requests = [ChatRequest(MODEL, (Message("user", f"prompt {number}"),)) for number in range(REQUESTS)]
    prompts = {asked.messages[0].content for asked in requests}
    with StubServer() as stub:
        stub.script = lambda asked, _before: answer(
            f"re {asked['messages'][0]['content']}", delay_s=moments.uniform(0, 0.03)
        )
        for target in sorted(moments.sample(range(5, REQUESTS - 30), KILLS)):
            known = {r.request.messages[0].content for r in journal.records()}
            asked_before = len(stub.prompts)
            _run_and_kill(stub, journal.folder, when_sent=target + len(stub.sent) - len(known))
            journal.refresh()
            recorded = {r.request.messages[0].content for r in journal.records()}
            assert known <= recorded
            assert len(set(stub.sent) - recorded) <= CONCURRENCY, "lost more than was in flight"
            assert known.isdisjoint(stub.prompts[asked_before:]), "asked for what it had"
        known = set(recorded)
        asked_before = len(stub.prompts)
        responses = client_of(stub, concurrency=CONCURRENCY).complete(requests)
    assert [r.text for r in responses] == [f"re {asked.messages[0].content}" for asked in requests]
    last_asked = stub.prompts[asked_before:]
    assert sorted(last_asked) == sorted(prompts - known), "exactly what was missing, each once"
    assert len(stub.prompts) <= REQUESTS + KILLS * CONCURRENCY
    report = Journal(journal.folder).verify()
    assert (report.records, report.duplicates, report.corrupt) == (REQUESTS, 0, 0)
    print(f"{KILLS} kills, {REQUESTS} requests, {len(stub.prompts)} sent, nothing lost, nothing doubled")


def _run_and_kill(stub: StubServer, folder: Path, when_sent: int) -> None:
    """Run the asker until the server has sent so many responses in all, then kill -9."""
    command = [sys.executable, "-c", ASKER, stub.base_url, str(folder), MODEL, str(CONCURRENCY), str(REQUESTS)]
    with subprocess.Popen(command) as process:
        give_up = time.monotonic() + 120
        while len(stub.sent) < when_sent and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"


@pytest.mark.slow
def test_ctrl_c_keeps_all_that_came(journal: Journal) -> None:
    with StubServer(lambda asked, _before: answer("yes", delay_s=0.02)) as stub:
        command = [sys.executable, "-c", ASKER, stub.base_url, str(journal.folder), MODEL, "4"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            give_up = time.monotonic() + 120
            while len(stub.sent) < 30 and time.monotonic() < give_up:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in said
        assert "Traceback" not in said.split("KeyboardInterrupt", 1)[1], "it ends cleanly"
    journal.refresh()
    recorded = {r.request.messages[0].content for r in journal.records()}
    assert 26 <= len(recorded) < 200
    assert len(set(stub.sent) - recorded) <= 4
    assert journal.verify().torn_tails == 0


@pytest.mark.slow
def test_two_runs_on_one_journal_do_not_disturb_each_other(journal: Journal) -> None:
    with StubServer(lambda asked, _before: answer("yes", delay_s=0.005)) as stub:
        command = [sys.executable, "-c", ASKER, stub.base_url, str(journal.folder), MODEL, "4"]
        runs = [subprocess.Popen(command) for _ in range(2)]
        assert [run.wait(180) for run in runs] == [0, 0]
    reader = Journal(journal.folder)
    assert len(reader) == 200
    assert reader.verify().is_sound
    assert request("prompt 7").key in reader
