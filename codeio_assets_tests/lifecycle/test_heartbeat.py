"""A line every so often where there is no terminal, in place on one, and nothing left behind."""

import contextlib
import io
import os
import pty
import time

import pytest

from codeio_assets.lifecycle.heartbeat import Heartbeat, duration
from codeio_assets_tests.lifecycle.projects import wait_until


def test_a_line_every_so_often_even_if_nothing_new_is_told() -> None:
    stream, logged = io.StringIO(), list[str]()
    with Heartbeat("verdicts[s-0001]", stream, logged.append, every_s=0.05) as beat:
        wait_until(lambda: len(logged) >= 2)
        beat.tell("judging: 3/9 functions")
        seen = len(logged)
        wait_until(lambda: len(logged) >= seen + 2)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "  verdicts[s-0001]: at work; 0 s so far"
    assert lines[-1].startswith("  verdicts[s-0001]: judging: 3/9 functions; ")
    assert [line.strip() for line in lines] == logged
    assert "\r" not in stream.getvalue()
    time.sleep(0.2)
    assert len(stream.getvalue().splitlines()) == len(lines), "it ends with the block"


def test_short_work_tells_nothing() -> None:
    stream = io.StringIO()
    with Heartbeat("short", stream, every_s=60) as beat:
        beat.tell("anything")
    assert stream.getvalue() == ""


def test_a_stream_that_nobody_reads_any_more_ends_nothing() -> None:
    read, write = os.pipe()
    logged = list[str]()
    os.close(read)
    with open(write, "w") as stream, contextlib.suppress(BrokenPipeError):  # noqa: PTH123
        with Heartbeat("unseen", stream, logged.append, every_s=0.01):
            wait_until(lambda: len(logged) >= 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)


def test_on_a_terminal_it_is_told_in_place_and_wiped() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        with Heartbeat("asking", terminal, every_s=0.05) as beat:
            beat.tell("x" * 500)
            time.sleep(0.3)
        shown = ""
        while not shown.endswith("x\r\033[K"):  # a terminal hands over a part at a time
            shown += os.read(ours, 100_000).decode()
    os.close(ours)
    assert "\n" not in shown
    assert shown.count("asking: ") >= 2
    assert max(map(len, shown.split("\r\033[K"))) < 200, "a line is no wider than the terminal"


@pytest.mark.parametrize(("seconds", "said"), [(4.4, "4 s"), (123, "2 min 3 s"), (3_900, "1 h 5 min")])
def test_times_are_told_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
