"""Following calls line by line: what is seen, that following changes nothing, and that bounds hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.method.traces import read_trace
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets.sandbox import Job, Variant, open_sandbox
from codeio_assets.sandbox.pool import WorkerPool
from codeio_assets.sandbox.tracing import TraceBounds, trace_job

REFERENCE = Variant(hash_seed=0, random_seed=0, clock_s=1_700_000_000.0)
SHARED = INSTALLED_ROOT.parent / "shared" / "data" / "codeio" / "parsed_functions.jsonl"
CODE = """\
def gen(n):
    for k in range(n):
        yield None if k == 1 else k

def half(n):
    if n % 2:
        raise ValueError("odd")
    return n // 2

def main_solution(words, n):
    total = 0
    for word in words:
        total += len(word)
    try:
        half(n)
    except ValueError as error:
        n = n + 1
    parts = [x for x in gen(2)]
    del total
    return {"n": half(n), "parts": parts}
"""


def traced(sandbox: WorkerPool, code: str, *calls: str, **bounds: int) -> list[dict[str, Any]]:
    outcomes = sandbox.run(trace_job("t", code, calls, REFERENCE, TraceBounds(**bounds)))
    assert [(outcome.status, outcome.message) for outcome in outcomes] == [("ok", None)] * len(calls)
    return [json.loads(outcome.value_json or "") for outcome in outcomes]


def brief(event: dict[str, Any]) -> str:
    told = {key: value for key, value in event.items() if key not in {"event", "frame", "line"}}
    return f"{event['event']} {event['frame']}:{event['line']} {json.dumps(told, sort_keys=True)}"


def test_every_line_call_and_exception_is_seen(roomy_sandbox: WorkerPool) -> None:
    [trace] = traced(roomy_sandbox, CODE, '{"words": ["ab", "c"], "n": 3}')
    assert [brief(event) for event in trace["events"]] == [
        'call 1:10 {"name": "main_solution", "set": {"n": 3, "words": ["ab", "c"]}}',
        'line 1:11 {"set": {"total": 0}}',
        'line 1:12 {"set": {"word": "ab"}}',
        'line 1:13 {"set": {"total": 2}}',
        'line 1:12 {"set": {"word": "c"}}',
        'line 1:13 {"set": {"total": 3}}',
        "line 1:12 {}",
        "line 1:14 {}",
        "line 1:15 {}",
        'call 2:5 {"caller": 1, "name": "half", "set": {"n": 3}}',
        "line 2:6 {}",
        "line 2:7 {}",
        'exception 2:7 {"message": "odd", "type": "ValueError"}',
        'exception 1:15 {"message": "odd", "type": "ValueError"}',
        'line 1:16 {"set": {"error": {"fields": {}, "~object": "ValueError"}}}',
        'line 1:17 {"set": {"n": 4}, "unset": ["error"]}',
        'line 1:18 {"set": {"parts": [0, null]}}',
        'call 3:1 {"caller": 1, "name": "gen", "set": {"n": 2}}',
        'line 3:2 {"set": {"k": 0}}',
        "line 3:3 {}",
        'yield 3:3 {"value": 0}',
        'line 3:2 {"set": {"k": 1}}',
        "line 3:3 {}",
        'yield 3:3 {"value": null}',
        "line 3:2 {}",
        'return 3:2 {"value": null}',
        'line 1:19 {"unset": ["total"]}',
        "line 1:20 {}",
        'call 4:5 {"caller": 1, "name": "half", "set": {"n": 4}}',
        "line 4:6 {}",
        "line 4:8 {}",
        'return 4:8 {"value": 2}',
        'return 1:20 {"value": {"n": 2, "parts": [0, null]}}',
    ]
    assert {key: trace[key] for key in ("version", "complete", "ended", "result")} == {
        "version": 1,
        "complete": True,
        "ended": "return",
        "result": {"n": 2, "parts": [0, None]},
    }


def test_a_call_that_raises_has_its_trace(roomy_sandbox: WorkerPool) -> None:
    [trace] = traced(roomy_sandbox, "def main_solution(a):\n    return 1 / a\n", '{"a": 0}')
    assert (trace["ended"], trace["type"], trace["complete"]) == ("exception", "ZeroDivisionError", True)
    assert [event["event"] for event in trace["events"]] == ["call", "line", "exception"]
    assert read_trace(json.dumps(trace)).result_json is None


VALUES = """\
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
import math

@dataclass
class Point:
    x: int
    y: "Point" = None

class Hostile:
    def __init__(self): self.a = 1
    def __repr__(self): raise SystemExit
    def __eq__(self, other): raise SystemExit
    def __getattribute__(self, name): raise SystemExit
    __hash__ = None
    @property
    def __class__(self): raise SystemExit

def main_solution():
    v = {3, 1, 2}
    v = {"b", "a"}
    v = frozenset([(1, 2)])
    v = {1: "a", (2, 3): None}
    v = {"~set": 1}
    v = deque([1, 2])
    v = Counter("aab")
    v = range(3)
    v = b"ab"
    v = 1 + 2j
    v = Point(1, Point(2))
    v = math.nan
    v = "x" * 500
    v = list(range(100))
    v = 10 ** 3000
    v = main_solution
    v = Hostile()
    v = (1, [2, (3,)])
    v = []; v.append(v)
    return 0
"""


def test_values_have_one_form_each(roomy_sandbox: WorkerPool) -> None:
    [trace] = traced(roomy_sandbox, VALUES, "{}")
    root = trace["events"][0]["frame"]
    values = [
        json.dumps(event["set"]["v"])
        for event in trace["events"]
        if "v" in event.get("set", {}) and event["frame"] == root
    ]
    assert values[:12] == [
        '{"~set": [1, 2, 3]}',
        '{"~set": ["a", "b"]}',
        '{"~set": [[1, 2]]}',
        '{"~dict": [[1, "a"], [[2, 3], null]]}',
        '{"~dict": [["~set", 1]]}',
        '{"~deque": [1, 2]}',
        '{"a": 2, "b": 1}',
        '{"~range": [0, 3, 1]}',
        '{"~bytes": "6162", "length": 2}',
        '{"~complex": [1.0, 2.0]}',
        '{"~object": "Point", "fields": {"x": 1, "y": {"~object": "Point", "fields": {"x": 2, "y": null}}}}',
        "NaN",
    ]  # fmt: skip
    assert json.loads(values[12]) == {"~str": "x" * 80, "length": 500}
    assert json.loads(values[13]) == {"~list": list(range(16)), "length": 100}
    assert values[14:17] == [
        '{"~int": "long"}',
        '{"~object": "function"}',
        '{"~object": "Hostile", "fields": {"a": 1}}',
    ]
    assert values[17] == "[1, [2, [3]]]"
    assert '{"~object": "list"}' in values[18]


UNSTABLE = """\
import random, time
SEED = random.random()
def main_solution(n):
    seen = {str(k) for k in range(n)}
    order = list(seen)
    drawn = [random.random() for _ in range(3)]
    at = time.time()
    return [order, drawn, SEED]
"""


def test_the_same_call_gives_the_same_bytes_in_every_sandbox(roomy_sandbox: WorkerPool) -> None:
    job = trace_job("t", UNSTABLE.replace("    at = time.time()\n", ""), ['{"n": 20}', '{"n": 3}'], REFERENCE)
    first = [outcome.value_json for outcome in roomy_sandbox.run(job)]
    with open_sandbox(workers=1) as other:
        assert [outcome.value_json for outcome in other.run(job)] == first
    assert None not in first


def test_a_bound_cuts_the_trace_and_not_the_call(roomy_sandbox: WorkerPool) -> None:
    code = "def main_solution(n):\n    total = 0\n    for k in range(n):\n        total += k\n    return total\n"
    [trace] = traced(roomy_sandbox, code, '{"n": 100000}', events=50)
    assert (len(trace["events"]), trace["complete"], trace["result"]) == (50, False, 4999950000)
    long = "def main_solution(n):\n    text = ''\n    for k in range(n):\n        text += 'abc'\n    return len(text)\n"
    [trace] = traced(roomy_sandbox, long, '{"n": 2000}', json_bytes=5_000)
    assert trace["complete"] is False
    assert len(json.dumps(trace["events"])) < 7_000
    assert trace["result"] == 6_000


@pytest.mark.parametrize(
    "code",
    [
        "import sys\ndef main_solution():\n    sys.settrace(None)\n    x = 1\n    return 7\n",
        "import sys\ndef main_solution():\n    sys._getframe().f_back.f_globals['Tracer'] = None\n    return 7\n",
        "import json\ndef main_solution():\n    json.dumps = None\n    x = [1]\n    return 7\n",
        "def main_solution():\n    global sorted, isinstance\n    sorted = isinstance = None\n    return 7\n",
    ],
)
def test_a_program_that_disturbs_its_tracer_still_gives_its_value(roomy_sandbox: WorkerPool, code: str) -> None:
    [trace] = traced(roomy_sandbox, code, "{}")
    assert trace["result"] == 7
    assert read_trace(json.dumps(trace)).events[0].name == "main_solution"


def test_limits_hold_while_it_is_followed(sandbox: WorkerPool) -> None:
    code = "def main_solution(n):\n    while n:\n        n += 1\n"
    [outcome] = sandbox.run(trace_job("t", code, ['{"n": 1}'], REFERENCE))
    assert outcome.status == "timeout"


def functions_of(path: Path, count: int) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for _, line in zip(range(count), lines, strict=False)]


def test_following_real_functions_changes_nothing(roomy_sandbox: WorkerPool) -> None:
    """What real functions return when they are followed is what they return when they are not."""
    if not SHARED.is_file():
        pytest.skip(f"{SHARED} is not there")
    jobs: list[Job] = []
    followed: list[Job] = []
    for number, function in enumerate(functions_of(SHARED, 60)):
        calls = [json.dumps(pair["input"]) for pair in function["ios"][:1] if isinstance(pair["input"], dict)]
        code, entry = function["refcode"], function["funcname"]
        jobs.append(Job(str(number), code, entry, calls, variant=REFERENCE))
        followed.append(trace_job(str(number), code, calls, REFERENCE, entry=entry))
    plain, again = ({job.job_id: outcomes for job, outcomes in roomy_sandbox.run_many(jobs)} for _ in range(2))
    compared = 0
    for job, outcomes in roomy_sandbox.run_many(followed):
        for own, once_more, seen in zip(plain[job.job_id], again[job.job_id], outcomes, strict=True):
            if own.value_json != once_more.value_json:
                continue  # such as the time that it took
            if own.status == "ok" and seen.status == "ok":
                compared += 1
                assert read_trace(seen.value_json or "").result_json == own.value_json
            elif own.status == "ok":
                assert seen.status == "timeout"
    assert compared > 40
