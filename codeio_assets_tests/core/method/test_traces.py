import json

import pytest

from codeio_assets.core.method.traces import MalformedTrace, is_plain, read_trace, times_run, values_by_name
from codeio_assets_tests.core.method.traced import trace_of

CODE = """\
def main_solution(words):
    total = 0
    for word in words:
        total += size(word)
    return total

def size(word):
    return len(word)
"""


def test_a_trace_tells_what_names_held_and_how_often_lines_ran() -> None:
    trace = trace_of(CODE, words=["ab", "c"])
    assert values_by_name(trace) == {
        "words": {'["ab","c"]'},
        "total": {"0", "2", "3"},
        "word": {'"ab"', '"c"'},
        "size": {"2", "1"},
        "main_solution": {"3"},
    }
    assert times_run(trace, trace.root) == {2: 1, 3: 3, 4: 2, 5: 1}
    assert (trace.is_complete, trace.result_json) == (True, "3")


GOOD = {"version": 1, "complete": True, "ended": "return", "result": 1}
EVENT = {"event": "line", "frame": 1, "line": 2}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no object"),
        ("{}", "format version None"),
        (json.dumps({**GOOD, "version": 2, "events": [EVENT]}), "format version 2"),
        (json.dumps({**GOOD, "events": []}), "no events"),
        (json.dumps({**GOOD, "events": {}}), "no events"),
        (json.dumps({**GOOD, "events": [EVENT, {}]}), "event 1 lacks"),
        (json.dumps({**GOOD, "events": [{**EVENT, "event": "jump"}]}), "event 0 lacks"),
        (json.dumps({**GOOD, "events": [{**EVENT, "line": "2"}]}), "event 0 lacks"),
        (json.dumps({**GOOD, "events": [{**EVENT, "set": [1]}]}), "event 0 has a field of the wrong type"),
        (json.dumps({**GOOD, "events": [{**EVENT, "name": 3}]}), "event 0 has a field of the wrong type"),
    ],
)
def test_what_is_no_trace_is_told(content: str, problem: str) -> None:
    with pytest.raises(MalformedTrace, match=problem):
        read_trace(content)


def test_a_program_that_forges_completeness_gives_text_only() -> None:
    trace = read_trace(json.dumps({**GOOD, "complete": "yes", "ended": "exception", "events": [EVENT]}))
    assert (trace.is_complete, trace.result_json) == (False, None)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(1, True), ([1, "a"], True), ({"a": {"b": None}}, True), ({"~set": []}, False), ([{"~object": "A"}], False)],
)
def test_stand_ins_are_told_from_values(value: object, plain: bool) -> None:
    assert is_plain(value) is plain
