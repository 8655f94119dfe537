"""Ctrl-C and SIGTERM end a command at once, keep what was answered, leave nothing running; the next goes on."""

import signal
import socket
import time
from pathlib import Path

import dagster as dg
import pytest

from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.lifecycle.projects import (
    SlowProject,
    all_gone,
    below,
    end,
    numbers,
    runs_among,
    slow_project,
    wait_until,
)
from codeio_assets_tests.llm.stub_server import answer

pytestmark = pytest.mark.timeout(900)
FILES = 16
MAKE = ("make", "raw_code_files", "file_labels", "eligible_code_files", "unified_functions", "--shard", "mine")


def statuses(project: SlowProject) -> list[str]:
    with dg.DagsterInstance.from_config(str(project.home / "dagster")) as instance:
        return [run.status.value for run in instance.get_runs()]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_make_is_stopped_and_goes_on(how: signal.Signals, code: int, tmp_path: Path) -> None:
    with slow_project(tmp_path, FILES, delay_s=1.0) as project:
        running = project.start(*MAKE)
        wait_until(lambda: len(project.server.sent) >= 3)
        started = below(running.pid)
        assert started, "the sandbox is open"
        ended, _, told = end(running, how)
        asked = len(project.server.asked)
        assert ended == code, told
        assert asked <= 3 + 2 + 2, "nothing was asked again"
        kept, left = numbers(told, r"codeio: stopped; (\d+) answers kept, (\d+) to ask; what was made stays")
        assert told.count("\n") == 1, told
        assert kept + left == FILES
        assert all_gone(started)
        assert statuses(project)[0] == "CANCELED"

        again = project.start(*MAKE)
        said, told = again.communicate(timeout=400)
        assert again.returncode == 0, (said, told)
        # one that was answered while the line was written is not asked again either
        assert asked + left - 2 <= len(project.server.asked) <= asked + left, "only what was not answered is asked"
        assert f"{FILES} in, {FILES} out" in said


def test_evaluating_a_model_behind_a_server_is_stopped_and_goes_on(tmp_path: Path) -> None:
    samples = INSTALLED_ROOT / "samples" / "benchmarks"
    with slow_project(tmp_path, 0, delay_s=1.0) as project:
        project.server.script = lambda *_: answer("the answer is 3.", delay_s=1.0)
        command = ("evaluate", "--model", project.server.base_url, "--name", "stub-model", "--data", str(samples))
        command += ("--out-dir", str(tmp_path / "out"), "--benchmark", "gsm8k", "--concurrency", "1")
        running = project.start(*command)
        wait_until(lambda: len(project.server.sent) >= 2)
        ended, said, told = end(running, signal.SIGINT)
        assert (ended, said) == (130, "")
        kept = numbers(told, r"codeio: stopped; (\d+) answers kept, \d+ to ask; what was answered stays, and the same")
        assert told.count("\n") == 1, told
        assert kept[0] >= 1

        asked = len(project.server.asked)
        again = project.start(*command)
        assert "GSM8K: " in again.communicate(timeout=400)[0]
        assert len(project.server.asked) - asked <= 3 - kept[0]


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    slow = "import codeio_assets.llm.live.driver as driver, time\njoin = driver._Runner.join\n"
    slow += "driver._Runner.join = lambda self: (time.sleep(600), join(self))"
    with slow_project(tmp_path, FILES, delay_s=1.0) as project:
        running = project.start(*MAKE, before=slow)
        wait_until(lambda: len(project.server.sent) >= 1)
        started = below(running.pid)
        running.send_signal(signal.SIGINT)
        with pytest.raises(Exception, match="timed out"):
            running.wait(2)
        ended, _, told = end(running, signal.SIGINT)
        assert (ended, told) == (130, "codeio: ended at once\n")
        assert all_gone(started)

        again = project.start(*MAKE)
        assert again.communicate(timeout=400)[0]
        assert again.returncode == 0, "the run that was left is cleared"


def test_a_long_step_tells_that_it_lives_where_there_is_no_terminal(tmp_path: Path) -> None:
    often = "from codeio_assets.lifecycle import heartbeat; heartbeat.EVERY_S = 0.7"
    with slow_project(tmp_path, 4, delay_s=2.0) as project:
        running = project.start(*MAKE, before=often)
        _, told = running.communicate(timeout=400)
    lines = [line for line in told.splitlines() if line.startswith("  unified_functions[mine-0000]: ")]
    assert len(lines) >= 3, told
    assert numbers(lines[0], r"(\d)/4 requests") <= (3,)  # it is told meanwhile, not at the end
    assert "0 failed" in lines[-1]
    assert lines[-1].endswith("s so far")


@pytest.mark.parametrize("again", [False, True])
def test_codeio_dev_takes_dagster_along(again: bool, tmp_path: Path) -> None:
    """A second Ctrl-C does not wait, and still nothing is left."""
    with slow_project(tmp_path, 2, delay_s=1.0) as project:
        running = project.start("dev", "--port", str(free_port()))
        wait_until(lambda: runs_among(below(running.pid), "api grpc"))
        started = below(running.pid)
        running.send_signal(signal.SIGINT)
        if again:
            time.sleep(1)
            running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=240)
        assert running.returncode == 130, told[-2000:]
        assert "Traceback" not in told
        assert "codeio: stopped" in told or again
        assert all_gone(started)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
