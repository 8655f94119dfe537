"""Draws and surroundings: the same request gives the same outcome, another variant another one."""

import itertools
import json

import pytest

from codeio_assets.sandbox import Job, Variant
from codeio_assets.sandbox.pool import WorkerPool

EVERY_SOURCE = """
import os, random, secrets, tempfile, uuid
import numpy as np
def main_solution():
    np.random.seed()
    random.seed()
    return [
        random.random(), random.Random().random(), random.SystemRandom().random(), os.urandom(4).hex(),
        secrets.randbelow(10**9), secrets.token_hex(4), str(uuid.uuid4()), random.gauss(0, 1),
        np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand(),
        np.random.Generator(np.random.PCG64()).random(), next(tempfile._get_candidate_names()),
    ]
"""


def values(pool: WorkerPool, code: str, variant: Variant = Variant(), **how: object) -> list[object]:  # noqa: B008
    outcomes = pool.run(Job("j", code, variant=variant, **how))  # type: ignore[arg-type]
    assert {outcome.status for outcome in outcomes} == {"ok"}, outcomes
    return [json.loads(outcome.value_json or "") for outcome in outcomes]


def test_draws_are_reproducible_and_distinct(roomy_sandbox: WorkerPool) -> None:
    first = values(roomy_sandbox, EVERY_SOURCE, draws=3)
    assert first == values(roomy_sandbox, EVERY_SOURCE, draws=3)
    for one, other in itertools.pairwise(first):
        assert not set(one) & set(other)  # type: ignore[call-overload]


def test_another_random_seed_gives_other_draws(roomy_sandbox: WorkerPool) -> None:
    [one] = values(roomy_sandbox, EVERY_SOURCE, draws=1)
    [other] = values(roomy_sandbox, EVERY_SOURCE, Variant(random_seed=1), draws=1)
    assert not set(one) & set(other)  # type: ignore[call-overload]


def test_a_draw_depends_on_its_index_and_not_on_the_draws_before(roomy_sandbox: WorkerPool) -> None:
    code = """
import random
n = [0]
def main_solution():
    n[0] += 1
    return [random.random() for _ in range({})][0]
"""
    assert values(roomy_sandbox, code.format("n[0]"), draws=4) == values(roomy_sandbox, code.format("1"), draws=4)


def test_module_level_randomness_is_reproducible(roomy_sandbox: WorkerPool) -> None:
    code = "import random\nX = random.random()\ndef main_solution(): return X\n"
    assert values(roomy_sandbox, code, calls=["{}"]) == values(roomy_sandbox, code, calls=["{}"])


def test_the_hash_seed_reaches_the_program(roomy_sandbox: WorkerPool) -> None:
    code = "def main_solution(): return list({str(i) for i in range(20)})"
    orders = [values(roomy_sandbox, code, Variant(hash_seed=seed), calls=["{}"]) for seed in (0, 1, 1)]
    assert orders[0] != orders[1] == orders[2]


MEMORY = """
import tracemalloc
def main_solution():
    tracemalloc.start()
    kept = [list(range(9)) for _ in range(9)]
    sizes = [statistic.size for statistic in tracemalloc.take_snapshot().statistics("lineno")[:1]]
    return [tracemalloc.get_traced_memory()[0], tracemalloc.get_tracemalloc_memory(), sizes]
"""
DISK = """
import os, shutil
def main_solution():
    return [list(shutil.disk_usage("/"))[:2], os.statvfs("/").f_blocks, os.fstatvfs(0).f_files]
"""
UNTRACED = "import tracemalloc\ndef main_solution(): return [tracemalloc.is_tracing(), tracemalloc.get_traced_memory()]"


@pytest.mark.parametrize("code", [MEMORY, DISK], ids=["tracemalloc", "disk"])
def test_sizes_of_memory_and_disk_are_other_ones_elsewhere(roomy_sandbox: WorkerPool, code: str) -> None:
    [here] = values(roomy_sandbox, code, calls=["{}"])
    [elsewhere] = values(roomy_sandbox, code, Variant(elsewhere=True), calls=["{}"])
    assert isinstance(here, list)
    assert isinstance(elsewhere, list)
    assert all(one != other for one, other in zip(here, elsewhere, strict=True)), (here, elsewhere)


def test_what_is_not_traced_takes_no_memory_anywhere(roomy_sandbox: WorkerPool) -> None:
    for variant in (Variant(), Variant(elsewhere=True)):
        assert values(roomy_sandbox, UNTRACED, variant, calls=["{}"]) == [[False, [0, 0]]]


CLOCK = """
import datetime, time
from datetime import date, datetime as moment
def main_solution():
    now = moment.now()
    return [
        int(time.time()), time.time_ns() // 10**9, now.year, moment.utcnow().year, date.today().year,
        datetime.datetime.today().month, time.gmtime().tm_year, time.localtime().tm_mon, time.ctime()[-4:],
        time.strftime("%Y"), time.asctime()[-4:], isinstance(now, datetime.datetime), isinstance(now, date),
        repr(moment(2020, 1, 2)), str(moment(2020, 1, 2) + datetime.timedelta(1)), moment.now(datetime.UTC).year,
        time.strftime("%Y", time.gmtime(0)), moment.strptime("2020", "%Y").year,
    ]
"""


def test_the_clock_starts_where_it_is_told(roomy_sandbox: WorkerPool) -> None:
    [told] = values(roomy_sandbox, CLOCK, Variant(clock_s=1e9), calls=["{}"])
    assert told == [
        *[10**9, 10**9, 2001, 2001, 2001, 9, 2001, 9, "2001", "2001", "2001", True, True],
        *["datetime.datetime(2020, 1, 2, 0, 0)", "2020-01-03 00:00:00", 2001, "1970", 2020],
    ]


def test_the_clock_restarts_with_each_draw_and_runs(roomy_sandbox: WorkerPool) -> None:
    code = """
import time
def main_solution():
    start = time.time()
    time.sleep(0.02)
    return [int(start), time.time() > start]
"""
    assert values(roomy_sandbox, code, Variant(clock_s=5.0), draws=3) == [[5, True]] * 3


def test_without_a_clock_time_is_real(roomy_sandbox: WorkerPool) -> None:
    [year] = values(roomy_sandbox, "import time\ndef main_solution(): return time.gmtime().tm_year", calls=["{}"])
    assert year >= 2025  # type: ignore[operator]


def test_a_draw_that_raises_does_not_end_the_job(roomy_sandbox: WorkerPool) -> None:
    code = "n = [0]\ndef gen():\n    n[0] += 1\n    if n[0] == 2: raise ValueError('second')\n    return n[0]\n"
    outcomes = roomy_sandbox.run(Job("j", code, entry="gen", draws=3))
    assert [(outcome.status, outcome.value_json or outcome.error_type) for outcome in outcomes] == [
        ("ok", "1"),
        ("exception", "ValueError"),
        ("ok", "3"),
    ]


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("os._exit(0)", "crashed"),
        ("x = bytes(10**11)", "out_of_memory"),
        ("while True: pass", "timeout"),
        ("return {1}", "not_serialisable"),
        ("return 'x' * 10**6", "output_too_large"),
    ],
)
def test_what_a_bad_draw_does_to_the_others(sandbox: WorkerPool, then: str, status: str) -> None:
    code = f"import os\nn = [0]\ndef gen():\n    n[0] += 1\n    if n[0] == 2:\n        {then}\n    return n[0]\n"
    statuses = [outcome.status for outcome in sandbox.run(Job("j", code, entry="gen", draws=3))]
    assert statuses[:2] == ["ok", status]
    assert statuses[2] == (status if status in ("crashed", "timeout") else "ok")


def test_all_draws_of_a_program_that_does_not_load_say_why(sandbox: WorkerPool) -> None:
    outcomes = sandbox.run(Job("j", "import nothing_of_this_name", entry="gen", draws=3))
    assert [outcome.error_type for outcome in outcomes] == ["ModuleNotFoundError"] * 3


def test_a_missing_entry_is_named(sandbox: WorkerPool) -> None:
    [outcome] = sandbox.run(Job("j", "x = 1", entry="gen", draws=1))
    assert (outcome.status, outcome.error_type) == ("exception", "MissingEntry")


@pytest.mark.parametrize("arguments", ["", "[1]", "{", "null", '{"a": 1} x', "[" * 10_000])
def test_arguments_that_are_no_object_are_named(sandbox: WorkerPool, arguments: str) -> None:
    [outcome] = sandbox.run(Job("j", "def main_solution(a): return a", calls=[arguments]))
    assert outcome.status == "exception"
    assert outcome.error_type in ("MalformedArguments", "RecursionError")


def test_the_main_block_does_not_run_and_the_module_is_registered(sandbox: WorkerPool) -> None:
    code = """
import dataclasses, enum, pickle, sys, typing
@dataclasses.dataclass
class P:
    x: int
class E(enum.Enum):
    A = 1
def main_solution(a):
    again = pickle.loads(pickle.dumps([P(a), E.A]))
    return [again[0].x, again[1] is E.A, typing.get_type_hints(P)["x"].__name__, sys.modules[__name__].P is P]
if __name__ == "__main__":
    raise SystemExit("ran")
"""
    [outcome] = sandbox.run(Job("j", code, calls=['{"a": 3}']))
    assert outcome.value_json == '[3,true,"int",true]'


def test_calls_share_nothing(sandbox: WorkerPool) -> None:
    code = """
G = []
def main_solution(a):
    G.append(1)
    open(str(len(G)), "x").close()
    a.append(9)
    return [a, len(G)]
"""
    outcomes = sandbox.run(Job("j", code, calls=['{"a": [1]}'] * 3))
    assert [outcome.value_json for outcome in outcomes] == ["[[1,9],1]"] * 3


def test_calls_together_share_a_process_and_its_limits(sandbox: WorkerPool) -> None:
    code = """
G = []
def main_solution(a):
    G.append(1)
    if a == "raise": raise ValueError("no")
    while a == "loop": pass
    return [a, len(G)]
"""
    calls = ['{"a": 1}', "[", '{"a": "raise"}', '{"a": 2}', '{"a": "loop"}', '{"a": 3}']
    outcomes = sandbox.run(Job("j", code, calls=calls, together=True))
    told = [outcome.value_json or outcome.error_type or outcome.status for outcome in outcomes]
    assert told == ["[1,1]", "MalformedArguments", "ValueError", "[2,3]", "timeout", "timeout"]
