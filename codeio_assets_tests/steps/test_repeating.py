import pytest

from codeio_assets.core.tables.data import frame
from codeio_assets.sandbox import Sandbox
from codeio_assets.steps.repeating import differing_pairs, differing_verdicts, drawn
from codeio_assets_tests.steps.scripted import functions, pairs
from codeio_assets_tests.steps.test_verdicts import bench_of

CODE = "def main_solution(a):\n    if a == 13:\n        raise ValueError('no')\n    return a + 1\n"
CLOCK = "import time\n\ndef main_solution(a):\n    return a + int(time.time() // 1_000_000)\n"
GENERATOR = "def input_generator(): return {}"


@pytest.mark.parametrize(
    ("code", "values", "now"),
    [
        (CODE, [('{"a":1}', "2"), ('{"a":2}', "3")], []),
        (CODE, [('{"a":1}', "2"), ('{"a":2}', "4")], ["3"]),
        (CODE, [('{"a":13}', "2")], ["ValueError: no"]),
        (CLOCK, [('{"a":1}', "1701")], ["1001"]),
    ],
)
def test_pairs_that_do_not_reproduce(sandbox: Sandbox, code: str, values: list, now: list[str]) -> None:
    made = functions((code, GENERATOR))
    rows = frame("io_pairs", pairs(made.row(0, named=True), *values))
    found = differing_pairs(rows, made, sandbox)
    assert [row["now"] for row in found] == now
    assert {row["pair_id"] for row in found} <= set(rows["pair_id"])


def test_verdicts_that_differ(sandbox: Sandbox) -> None:
    bench = bench_of(sandbox, CODE, (('{"a":1}', "2"), ('{"a":5}', "6")))
    predictions = bench.predict(lambda _request: '{"output": 2, "input": {"a": 1}}')
    verdicts = bench.judge(predictions).tables["verdicts"]
    rest = (bench.evidence(predictions), sandbox, "default")
    assert differing_verdicts(verdicts, *rest) == []
    rows = verdicts.to_dicts()
    rows[0]["status"] = "correct" if rows[0]["status"] != "correct" else "wrong"
    rows[1]["status"] = "timeout"  # came to a limit: not held against anybody
    (found,) = differing_verdicts(frame("verdicts", rows), *rest)
    assert found["prediction_id"] == rows[0]["prediction_id"]
    assert found["status"] != found["now"]


def test_a_sample_is_the_same_every_time_and_another_with_another_seed() -> None:
    rows = frame("file_labels", [_label(number) for number in range(100)])
    assert drawn(rows, 10, 0).equals(drawn(rows.reverse(), 10, 0).sort("file_id"))
    assert not drawn(rows, 10, 0).equals(drawn(rows, 10, 1))
    assert len(drawn(rows, 1_000, 0)) == 100
    assert drawn(rows, 0, 0).is_empty()


def _label(number: int) -> dict:
    texts = {"source": "s", "category": None, "function_name": None, "detail": None, "model_id": "m"}
    counts = dict.fromkeys(("trials", "successes", "prompt_tokens", "completion_tokens"), 0)
    return {"file_id": f"{number:064d}", **texts, **counts}
