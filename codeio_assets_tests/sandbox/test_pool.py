"""Workers: order, replacement, retries, closing, and what is left afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from codeio_assets.sandbox import Job, Limits, SandboxUnavailable, Variant, open_sandbox, pool
from codeio_assets.sandbox.pool import WorkerPool

ADD = "def main_solution(a): return a + 1"
SLOW = "import time\ndef main_solution(a):\n    time.sleep(a)\n    return a"


@pytest.fixture
def ours() -> Callable[[], list[psutil.Process]]:
    """What the test has started and is still there; sandboxes of the session, which other tests share, are not."""
    before = set(psutil.Process().children(recursive=True))

    def started() -> list[psutil.Process]:
        children = set(psutil.Process().children(recursive=True)) - before
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]

    return started


def open_descriptors() -> int:
    return psutil.Process().num_fds()


def zygotes() -> list[psutil.Process]:
    return [grandchild for child in psutil.Process().children() for grandchild in child.children()]


@pytest.fixture
def own_sandbox() -> Iterator[WorkerPool]:
    try:
        opened = open_sandbox(Limits(cpu_s=2, wall_s=5), workers=2)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened


def test_outcomes_are_in_the_order_of_the_calls(own_sandbox: WorkerPool) -> None:
    outcomes = own_sandbox.run(Job("j", ADD, calls=[f'{{"a": {i}}}' for i in range(20)]))
    assert [outcome.value_json for outcome in outcomes] == [str(i + 1) for i in range(20)]
    assert all(outcome.cpu_s > 0 and outcome.wall_s > 0 for outcome in outcomes)


def test_a_job_without_calls_has_no_outcomes(own_sandbox: WorkerPool) -> None:
    assert own_sandbox.run(Job("j", ADD)) == []


def test_run_many_gives_every_job_once(own_sandbox: WorkerPool) -> None:
    jobs = [Job(str(i), ADD, calls=[f'{{"a": {i}}}']) for i in range(40)]
    done = {job.job_id: outcomes[0].value_json for job, outcomes in own_sandbox.run_many(jobs)}
    assert done == {str(i): str(i + 1) for i in range(40)}


def test_run_many_reads_only_a_few_jobs_ahead(own_sandbox: WorkerPool) -> None:
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        while True:
            taken += 1
            yield Job(str(taken), ADD, calls=['{"a": 1}'])

    results = own_sandbox.run_many(endless())
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert taken <= 5 + 2 * pool.JOBS_AHEAD_PER_SLOT


def test_a_source_of_jobs_that_fails_ends_run_many(own_sandbox: WorkerPool) -> None:
    def broken() -> Iterator[Job]:
        yield Job("1", ADD, calls=['{"a": 1}'])
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(own_sandbox.run_many(broken()))


def test_a_killed_worker_is_replaced_and_its_call_repeated(own_sandbox: WorkerPool) -> None:
    for zygote in zygotes():
        zygote.kill()
    [outcome] = own_sandbox.run(Job("j", ADD, calls=['{"a": 1}']))
    assert outcome.value_json == "2"
    assert own_sandbox.retries == 1


def test_a_leaf_killed_from_outside_is_no_fault_of_the_program(own_sandbox: WorkerPool) -> None:
    results = own_sandbox.run_many([Job("j", SLOW, calls=['{"a": 1.5}'])])

    def kill_leaf() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for leaf in [leaf for zygote in zygotes() for leaf in zygote.children()]:
                leaf.send_signal(signal.SIGKILL)
                return
            time.sleep(0.01)

    killer = pool.ThreadPoolExecutor(1)
    killing = killer.submit(kill_leaf)
    [(_, [outcome])] = list(results)
    killing.result()
    killer.shutdown()
    assert outcome.value_json == "1.5"
    assert own_sandbox.retries == 1


def test_two_faults_of_the_machine_are_reported_as_such(
    own_sandbox: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pool.start_worker

    def dead(*arguments: object, **more: object) -> object:
        worker = real(*arguments, **more)  # type: ignore[arg-type]
        psutil.Process(worker.pid).children()[0].kill()
        return worker

    monkeypatch.setattr(pool, "start_worker", dead)
    [outcome] = own_sandbox.run(Job("j", ADD, calls=['{"a": 1}'], variant=Variant(hash_seed=77)))
    assert outcome.status == "infrastructure"
    monkeypatch.undo()
    [outcome] = own_sandbox.run(Job("j", ADD, calls=['{"a": 1}']))
    assert outcome.status == "ok"


@pytest.mark.parametrize(
    "mess",
    ["os.makedirs('a/b/c')", "[open(str(i), 'w').close() for i in range(500)]", "os.mkdir('x'); os.chdir('x')"],
)
def test_a_working_directory_that_is_hard_to_empty_costs_the_worker(own_sandbox: WorkerPool, mess: str) -> None:
    look = f"import os\ndef main_solution():\n    before = os.listdir('/tmp')\n    {mess}\n    return before"
    outcomes = own_sandbox.run(Job("j", look, calls=["{}"] * 3))
    assert [outcome.value_json for outcome in outcomes] == ["[]"] * 3


def test_idle_workers_are_few(own_sandbox: WorkerPool) -> None:
    for seed in range(10):
        own_sandbox.run(Job("j", ADD, calls=['{"a": 1}'], variant=Variant(hash_seed=seed)))
    assert len(zygotes()) <= 2 * pool.IDLE_WORKERS_PER_SLOT


def test_too_large_programs_and_arguments_are_refused_in_words(own_sandbox: WorkerPool) -> None:
    [code] = own_sandbox.run(Job("j", "#" * (pool.MAX_PROGRAM_CHARACTERS + 1), calls=["{}"]))
    [arguments] = own_sandbox.run(Job("j", ADD, calls=[" " * (pool.MAX_ARGUMENT_CHARACTERS + 1)]))
    assert (code.error_type, arguments.error_type) == ("ProgramTooLarge", "ArgumentsTooLarge")


def test_large_arguments_arrive(own_sandbox: WorkerPool) -> None:
    [outcome] = own_sandbox.run(
        Job("j", "def main_solution(a): return len(a)", calls=['{"a": "' + "x" * 2_000_000 + '"}'])
    )
    assert outcome.value_json == "2000000"


SCAN = """
import ctypes, os
def main_solution(mine):
    # Pages are offered to a pipe: the kernel takes those that are mapped and refuses the rest.
    read, write = os.pipe()
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    places = [libc.sbrk(0) & ~4095, id(mine) & ~4095, id(bytearray(1 << 16)) & ~4095]
    pages = {place + 4096 * step for place in places for step in range(-4096, 4096)}
    own = other = 0
    for page in pages:
        if libc.write(write, ctypes.c_void_p(page), 4096) == 4096:
            content = os.read(read, 4096)
            own += sum(after.startswith(b"secret") for after in content.split(b"mine")[1:])
            other += sum(after.startswith(b"secret") for after in content.split(b"other")[1:])
    return [own > 0, other]
"""


def test_no_leaf_finds_the_values_of_another_call(own_sandbox: WorkerPool) -> None:
    echo = "def main_solution(a): return a * 3"
    for size in (1, 10_000):
        own_sandbox.run(Job("a", echo, calls=['{"a": "' + "othersecret" * size + '"}'] * 2))
    outcomes = own_sandbox.run(Job("b", SCAN, calls=['{"mine": "minesecret"}', '{"mine": "othersecretminesecret"}']))
    found = [outcome.value_json or "" for outcome in outcomes]
    assert found[0] == "[true,0]", outcomes
    assert found[1].startswith("[true,"), outcomes
    assert found[1] != "[true,0]", "the search finds what is there"


def test_a_closed_sandbox_leaves_nothing_and_refuses(ours: Callable[[], list[psutil.Process]]) -> None:
    before, descriptors = ours(), open_descriptors()
    opened = open_sandbox(Limits(), workers=2)
    list(opened.run_many(Job(str(i), ADD, calls=['{"a": 1}']) for i in range(4)))
    opened.close()
    opened.close()
    assert ours() == before
    assert open_descriptors() == descriptors
    with pytest.raises(SandboxUnavailable, match="closed"):
        opened.run(Job("j", ADD, calls=['{"a": 1}']))


def test_closing_ends_a_call_in_progress() -> None:
    opened = open_sandbox(Limits(), workers=1)
    threads = pool.ThreadPoolExecutor(1)
    running = threads.submit(opened.run, Job("j", SLOW, calls=['{"a": 20}']))
    while not any(zygote.children() for zygote in zygotes()):
        time.sleep(0.01)
    opened.close()
    with pytest.raises(SandboxUnavailable, match="closed"):
        running.result(timeout=15)
    threads.shutdown()
    assert not zygotes()


def test_a_killed_host_leaves_no_process() -> None:
    program = (
        "from codeio_assets.sandbox import Job, open_sandbox\n"
        "import psutil\n"
        "sandbox = open_sandbox(workers=1)\n"
        "print(*[p.pid for p in psutil.Process().children(recursive=True)], flush=True)\n"
        "sandbox.run(Job('j', 'import time\\ndef main_solution(): time.sleep(60)', calls=['{}']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        assert len(pids) == 2
        host.kill()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_without_isolation_the_limits_hold(ours: Callable[[], list[psutil.Process]]) -> None:
    with open_sandbox(Limits(cpu_s=0.3, wall_s=1, memory_mib=64), workers=1, isolation="none") as opened:
        assert opened.isolation == "none"
        code = """
def main_solution(a):
    if a == 1: return sum([1, 2])
    if a == 2:
        while True: pass
    if a == 3: return len(bytes(10**9))
    open("file", "w").write("x")
    return __import__("os").listdir()
"""
        outcomes = opened.run(Job("j", code, calls=[f'{{"a": {a}}}' for a in (1, 2, 3, 4, 4)]))
    told = [outcome.value_json or outcome.status for outcome in outcomes]
    assert told == ["3", "timeout", "out_of_memory", '["file"]', '["file"]']
    assert not ours()


def test_a_host_with_many_open_files_gives_none_to_programs() -> None:
    """The worker's pipes have the numbers they had in the host, and a leaf closes only low ones."""
    code = """
import os
def main_solution():
    found = []
    for number in range(2000):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found
"""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(150)]
    try:
        with open_sandbox(workers=1) as opened:
            [outcome] = opened.run(Job("many", code, calls=["{}"]))
    finally:
        for descriptor in held:
            os.close(descriptor)
    assert outcome.value_json == "[0,1,2,3]"


@pytest.mark.parametrize("first", [58, 60, 61, 62])
def test_a_worker_starts_whatever_the_numbers_of_its_pipes(first: int) -> None:
    lowest = os.open(os.devnull, os.O_RDONLY)
    held = [lowest]
    while held[-1] < first:
        held.append(os.open(os.devnull, os.O_RDONLY))
    try:
        with open_sandbox(workers=1) as opened:
            [outcome] = opened.run(Job("any", "def main_solution(): return 1", calls=["{}"]))
    finally:
        for descriptor in held:
            os.close(descriptor)
    assert outcome.status == "ok"


def test_what_ends_while_it_is_felt_for_whether_it_sleeps_has_its_value() -> None:
    """A call that ends just behind its wall limit is late or whole, and never a crash."""
    code = "import time\ndef main_solution(a):\n    time.sleep(a)\n    return a"
    with open_sandbox(Limits(wall_s=1.0), workers=2) as sandbox:
        jobs = [Job(str(late), code, calls=[f'{{"a": {1 + late / 100}}}']) for late in range(2, 30, 3)]
        outcomes = [outcome for _, given in sandbox.run_many(jobs) for outcome in given]
    assert {outcome.status for outcome in outcomes} <= {"ok", "timeout"}, outcomes
