"""Programs that forge, cross, read, exhaust and ask, each with its right outcome; a good program follows each.

What lives here: the groups of `cases/sandbox_probes.jsonl` about one call; those about pairs are in `batch.test_cases`.
"""

import fcntl
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.batch.lines import writing
from codeio_assets.batch.sampling import Outputs, ResponseLine, sample_responses
from codeio_assets.core.settings.project import Sampling
from codeio_assets.sandbox import Job, Limits, Outcome, SandboxUnavailable, open_sandbox
from codeio_assets.sandbox.pool import WorkerPool

PATH = Path(__file__).parents[1] / "cases/sandbox_probes.jsonl"
ROWS = {row["id"]: row for row in map(json.loads, PATH.read_text().splitlines()) if row["group"] != "determinism"}
LIMITS = Limits(cpu_s=5.0, wall_s=3.0)
Check = Callable[[Outcome], Any]


def value(outcome: Outcome) -> Any:
    assert outcome.status == "ok", outcome
    return json.loads(outcome.value_json or "")


def gives(right: Any) -> Check:
    return lambda outcome: value(outcome) == right


def ends(*statuses: str) -> Check:
    return lambda outcome: outcome.status in statuses


def finds_nothing(outcome: Outcome) -> bool:
    return value(outcome)[0] == 0


BLOCKED = gives("blocked")
RIGHT: dict[str, Check] = {
    "forge-own-nonce-exit": gives(4242),
    "forge-deep-value-300": ends("not_serialisable", "crashed"),
    "forge-deep-value-960": ends("not_serialisable", "crashed"),
    "forge-second-bytecode": ends("crashed"),
    "thread-writes-after-return": ends("ok", "crashed"),
    "signal-handler-answers-in-the-middle": ends("ok", "crashed", "exception"),
    "replace-descriptor-3-by-pipe": ends("crashed"),
    "null-mtime-write": gives("blocked PermissionError"),
    "touch-null-now": BLOCKED,
    "stdin-flags-write": gives(1),
    "stdin-flags-read": gives("clean"),
    "null-lock-see": gives("clean"),
    "lock-host-library": gives("PWNED"),  # it says so, but locks nothing: see the test below
    "flock-lock": gives(1),
    "scratch-directory-left": gives(1),
    "scratch-directory-seen": gives([]),
    "umask-and-cwd": gives(1),
    "umask-and-cwd-seen": gives([18, "/tmp"]),
    "x32-getpid": ends("crashed"),
    "clone-namespaces": gives([[-1, 1], [-1, 1], [-1, 38]]),
    "raise-sigusr1-or-sigkill-by-other-calls": lambda outcome: all(
        each == 1 or each[0] == -1 for each in value(outcome).values()
    ),
    "polite-sleeper": lambda outcome: outcome.status == "timeout" and outcome.wall_s < LIMITS.wall_s + 2,
    "close-pipe-and-linger": lambda outcome: (
        outcome.status in ("crashed", "timeout") and outcome.wall_s < LIMITS.wall_s + 2
    ),
    "pipes-full-of-kernel-memory": lambda outcome: value(outcome) < 64,
    "empty-files-for-2s": ends("ok"),
    "regex-in-c-ignores-signals": ends("timeout"),
    "zip-bomb": ends("out_of_memory", "exception"),
    "int-to-str-4300": ends("not_serialisable", "ok"),
    "as-strided-giant": ends("output_too_large", "not_serialisable"),
    # /dev/shm is there for `multiprocessing`, and is the working directory
    "devices-and-sysfs": gives([["full", "null", "random", "shm", "urandom", "zero"], ["/dev/shm"]]),
    "argv-and-settings": lambda outcome: value(outcome)[0] == ["/tmp/program.py"] and "preload" not in str(outcome),
    "stack-environment-2": lambda outcome: all(line.split("=")[0] in OWN_VARIABLES for line in value(outcome)),
    "r-out-small": finds_nothing,
    "w-out-big": ends("ok"),
    "r-out-big": finds_nothing,
    "r-args-big": finds_nothing,
    "r-code": finds_nothing,
    "r-exception": finds_nothing,
    "w-slow-reader": ends("ok"),
    "r-slow-reader": finds_nothing,
    "recursionlimit": gives([1000, 4300, 0.005]),
    "gc-frozen": gives([True, [700, 10, 10], True]),
    "identity-int-cache": gives([True]),
    # a script that is run alone finds its source
    "open-own-source": lambda outcome: value(outcome).startswith("def main_solution(a):\n    import inspect"),
    "clock-below-python": gives(True),  # `codeio run` sets no clock; with one, see `test_variants`
    "open-descriptors": gives([0, 1, 2, 3]),
    "memory-room-after": lambda outcome: value(outcome) > 500,
    "exception-type-markup": lambda outcome: (
        outcome.status == "exception" and len(outcome.error_type or "") <= 100 and len(outcome.message or "") <= 1000
    ),
    "mmap-tmpfs-beyond-size": ends("crashed", "exception", "out_of_memory"),
    "dev-zero-shared-map": ends("out_of_memory", "exception"),
    "eventfd-epoll-many": ends("exception"),
    "set-clock-undo": lambda outcome: len(set(value(outcome))) == 1,
    "write-to-urandom": gives(1000),
    "truncate-dev-null": gives(0o666),
    "utime-host-library": gives("EROFS"),
}
OWN_VARIABLES = {
    *("LC_ALL", "LD_BIND_NOW", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    *(
        "OPENBLAS_NUM_THREADS",
        "PWD",
        "PYTHONHASHSEED",
        "PYTHONCOERCECLOCALE",
        "HOME",
        "USER",
        "LOGNAME",
        "PATH",
        "LANG",
    ),
}
SAMPLED = {"forge-bytecode-stateful-pairs"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[WorkerPool]:
    try:
        opened = open_sandbox(LIMITS, workers=1)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened


def test_every_probe_has_a_right_outcome() -> None:
    assert ROWS.keys() == RIGHT.keys() | SAMPLED


@pytest.mark.parametrize("name", RIGHT)
def test_probe(sandbox: WorkerPool, name: str) -> None:
    row = ROWS[name]
    for outcome in sandbox.run(Job(name, row["code"], calls=[json.dumps(call) for call in row["calls"]])):
        assert RIGHT[name](outcome), outcome
    [after] = sandbox.run(Job("after", "def main_solution(a): return a + 1", calls=['{"a": 1}']))
    assert after.value_json == "2"


def test_a_program_never_replaces_the_program_of_later_calls(sandbox: WorkerPool, tmp_path: Path) -> None:
    row = ROWS["forge-bytecode-stateful-pairs"]
    outcomes = sandbox.run(Job("j", row["code"], calls=[json.dumps(call) for call in row["calls"]]))
    assert [outcome.status for outcome in outcomes] == ["crashed"] * 3  # each wrote a frame that nobody asked for
    response = (
        f"## Main Function\n```python\n{row['code']}\n```\n## Input Output Description\nIt adds.\n## Input Generator\n"
        "```python\nimport random\ndef input_generator():\n    return {'a': random.randint(1, 999)}\n```\n"
        "## Problem Statement\nWhat is it?\n"
    )
    with writing(tmp_path / "f") as functions, writing(tmp_path / "p") as pairs, writing(tmp_path / "r") as rejections:
        out = Outputs(functions, pairs, rejections)
        sample_responses([ResponseLine(id=1, response=response)], sandbox, Sampling(), 10, out)
    for line in (tmp_path / "p").read_text().splitlines():
        pair = json.loads(line)
        assert pair["output"] == 2 * pair["input"]["a"]


def test_a_lock_inside_is_not_felt_outside(sandbox: WorkerPool) -> None:
    code = """
import fcntl, os, time
def main_solution(path):
    got = []
    for each in (path, "/dev/null"):
        number = os.open(each, os.O_RDONLY)
        fcntl.flock(number, fcntl.LOCK_EX)
        got.append(fcntl.lockf(os.dup(number), fcntl.LOCK_SH))
    time.sleep(0.5)
    return got
"""
    told: list[Outcome] = []
    call = Job("j", code, calls=[json.dumps({"path": "/usr/lib/os-release"})])
    thread = threading.Thread(target=lambda: told.extend(sandbox.run(call)))
    thread.start()
    for path in ("/usr/lib/os-release", "/dev/null"):
        with Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    thread.join()
    for path in ("/usr/lib/os-release", "/dev/null"):
        with Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert [outcome.value_json for outcome in told] == ["[null,null]"]
