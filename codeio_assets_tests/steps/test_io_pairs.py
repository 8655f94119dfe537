import json
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.settings.project import Sampling
from codeio_assets.core.tables.data import TABLES
from codeio_assets.sandbox import Job, Limits, Outcome, Sandbox, open_sandbox
from codeio_assets.steps.executing import CHANGED, InfrastructureError, Tally, describe
from codeio_assets.steps.io_pairs import PROBES, sample_pairs
from codeio_assets.steps.result import StepResult
from codeio_assets_tests.steps.scripted import functions

SETTINGS = Sampling(draws=40, draws_per_round=20)
NUMBER = "import random\ndef input_generator():\n    return {'a': random.randint(0, 10**6)}\n"
FEW = NUMBER.replace("10**6", "3")


def main(body: str, head: str = "") -> str:
    return f"{head}\ndef main_solution(a):\n    {body}\n"


def sample(sandbox: Sandbox, *programs: tuple[str, str], settings: Sampling = SETTINGS, cap: int = 6) -> StepResult:
    result = sample_pairs(functions(*programs), sandbox, settings, cap)
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    return result


def pairs(result: StepResult) -> list[tuple[Any, Any]]:
    rows = result.tables["io_pairs"].sort("function_id", "pair_index").to_dicts()
    return [(json.loads(row["input_json"]), json.loads(row["output_json"])) for row in rows]


def reason(result: StepResult) -> str:
    ((found, _),) = result.dropped_by_reason.items()
    return found


def test_pairs_are_distinct_and_true(sandbox: Sandbox) -> None:
    result = sample(sandbox, (main("return {'next': a + 1}"), NUMBER))
    found = pairs(result)
    assert len(found) == 6
    assert all(output == {"next": given["a"] + 1} for given, output in found)
    assert len({given["a"] for given, _ in found}) == 6
    assert result.tables["io_pairs"]["pair_index"].sort().to_list() == list(range(6))
    assert (result.items_in, result.items_out) == (1, 1)


def test_sampling_again_gives_the_same_pairs_and_another_seed_others(sandbox: Sandbox) -> None:
    program = (main("return a + 1"), NUMBER)
    one, again = (sample(sandbox, program).tables["io_pairs"] for _ in range(2))
    other = sample(sandbox, program, settings=SETTINGS.model_copy(update={"seed": 7})).tables["io_pairs"]
    assert one.equals(again)
    assert not one.equals(other)


@pytest.mark.parametrize(
    "body",
    [
        "a.append(0); a.sort(); return sum(a)",
        "result = sum(a) + len(a)\n    a.clear()\n    return result",
        "a[0] = -1; return a",
        "global last; last = a; a.pop(); return sum(last)",
    ],
)
def test_the_input_is_stored_as_it_was_before_the_call(body: str, sandbox: Sandbox) -> None:
    generator = "import random\ndef input_generator():\n    return {'a': random.sample(range(1, 100), 5)}\n"
    code = main(body)
    found = pairs(sample(sandbox, (code, generator)))
    assert found
    for given, output in found:
        assert len(given["a"]) == 5
        assert -1 not in given["a"]
        assert 0 not in given["a"]
        namespace: dict[str, Any] = {}
        exec(code, namespace)
        assert namespace["main_solution"](**given) == output


def test_calls_do_not_see_each_other(sandbox: Sandbox) -> None:
    result = sample(sandbox, (main("seen.append(a); return [len(seen), a]", "seen = []"), NUMBER))
    assert all(output == [1, given["a"]] for given, output in pairs(result))
    assert len(pairs(result)) == 6


@pytest.mark.parametrize(
    ("head", "body", "cause"),
    [
        ("import random", "return a + random.random()", "random"),
        ("import random", "random.seed(); return random.randint(0, 10**9)", "random"),
        ("import os", "return [a, int.from_bytes(os.urandom(4), 'big')]", "random"),
        ("import uuid", "return [a, str(uuid.uuid4())]", "random"),
        ("import numpy as np", "return [a, float(np.random.rand())]", "random"),
        ("import time", "return [a, int(time.time())]", "time"),
        ("import datetime", "return [a, str(datetime.date.today())]", "time"),
        ("import time", "start = time.process_time(); return [a, time.process_time() - start]", "time"),
        ("import time", "start = time.perf_counter(); return [a, time.perf_counter() - start]", "time"),
        ("import random", "return [a, random.random() < 0.04]", "random"),
        ("", "return [a, hash(str(a))]", "hash_order"),
        ("", "return [a, list({'apple', 'pear', 'plum', 'fig', 'kiwi', 'lime', 'date'})]", "hash_order"),
    ],
)
def test_an_output_that_does_not_reproduce_names_its_cause(head: str, body: str, cause: str, sandbox: Sandbox) -> None:
    result = sample(sandbox, (main(body, head), NUMBER))
    assert result.dropped_by_reason == {f"nondeterministic_{cause}": 1}
    assert len(result.tables["io_pairs"]) == 0


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("import random", "return random.Random(a).random()"),
        ("import random", "random.seed(a); return random.random()"),
        ("", "return sorted({str(a), 'b', 'c'})"),
        ("import random, time", "print(random.random(), time.time()); return a"),
    ],
)
def test_chance_that_does_not_reach_the_output_is_allowed(head: str, body: str, sandbox: Sandbox) -> None:
    assert len(pairs(sample(sandbox, (main(body, head), NUMBER)))) == 6


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("seen = []", "seen.append(a); return [a, len(seen)]"),
        ("cache = {}", "cache.setdefault('first', a); return [a, cache['first'] == a]"),
        ("on = [False]", "on[0] = not on[0]; return [a, on[0]]"),
        ("left = [3]", "left[0] -= 1; return [a, 1 // (left[0] > 0)]"),
        ("import random\ngiven = []", "given.append(a); random.shuffle(given); return [a, given[0] == a]"),
    ],
)
def test_what_a_call_leaves_behind_reaches_no_pair(head: str, body: str, sandbox: Sandbox) -> None:
    """Inputs of a function are first executed in one process; the stored outputs are those of a fresh one."""
    code = main(body, head)
    found = pairs(sample(sandbox, (code, NUMBER)))
    assert len(found) == 6
    for given, output in found:
        namespace: dict[str, Any] = {}
        exec(code, namespace)
        assert namespace["main_solution"](**given) == output


def test_the_surroundings_differ_in_everything_at_once() -> None:
    assert (CHANGED.hash_seed, CHANGED.random_seed, CHANGED.clock_s) == (1, 1, 1_000_000_000.0)


class TestTooLittle:
    @pytest.mark.parametrize(
        ("code", "generator", "expected"),
        [
            (main("return 5"), NUMBER, "degenerate"),
            (main("return a"), "def input_generator():\n    return {'a': 1}\n", "too_few_pairs"),
            (main("return None"), NUMBER, "output_none"),
            (main("raise ValueError('no')"), NUMBER, "output_exception"),
            (main("return [a] * 20"), NUMBER, "output_too_many_items"),
            (main("return 'x' * 100"), NUMBER, "output_string_too_long"),
            (main("return {1, a}"), NUMBER, "output_not_serialisable"),
            (main("return main_solution"), NUMBER, "output_not_serialisable"),
            (main("while True: pass"), "def input_generator():\n    return {'a': 1}\n", "output_timeout"),
            (main("import os; os._exit(0)"), NUMBER, "output_crashed"),
            (main("return a"), "def input_generator():\n    return {'b': 1}\n", "output_exception"),
            (main("return a"), "def input_generator():\n    return [1]\n", "input_not_an_object"),
            (main("return a"), "def input_generator():\n    raise KeyError('k')\n", "generator_exception"),
            (main("return a", "import no_such_module"), NUMBER, "missing_package"),
            (main("return a"), "def input_generator(:\n", "generator_exception"),
        ],
    )
    def test_reasons(self, code: str, generator: str, expected: str, sandbox: Sandbox) -> None:
        result = sample(sandbox, (code, generator))
        assert reason(result) == expected
        (row,) = result.tables["io_pairs_rejections"].to_dicts()
        assert row["detail"]

    def test_sets_have_no_json_form_that_keeps_their_order(self, sandbox: Sandbox) -> None:
        assert reason(sample(sandbox, (main("return {'a': {a}}"), NUMBER))) == "output_not_serialisable"

    def test_degenerate_functions_are_kept_on_request_and_flagged(self, sandbox: Sandbox) -> None:
        settings = SETTINGS.model_copy(update={"keep_degenerate": True})
        result = sample(sandbox, (main("return 5"), NUMBER), settings=settings)
        assert result.tables["io_pairs"]["is_degenerate"].to_list() == [True] * 6

    def test_min_pairs(self, sandbox: Sandbox) -> None:
        program = (main("return a"), FEW)
        assert len(pairs(sample(sandbox, program, settings=SETTINGS.model_copy(update={"min_pairs": 4})))) == 4
        assert (
            reason(sample(sandbox, program, settings=SETTINGS.model_copy(update={"min_pairs": 5}))) == "too_few_pairs"
        )

    def test_bad_draws_are_counted_and_good_ones_kept(self, sandbox: Sandbox) -> None:
        generator = NUMBER.replace("return", "assert random.random() < 0.5\n    return")
        result = sample(sandbox, (main("return a // (a % 2)"), generator))
        assert len(pairs(result)) >= 2
        assert all(given["a"] % 2 for given, _ in pairs(result))
        lost = result.info["lost_draws_by_reason"]
        assert lost["generator_exception"] > 0
        assert lost["output_exception"] > 0


def test_the_cap_of_the_source_prefers_new_outputs(sandbox: Sandbox) -> None:
    result = sample(sandbox, (main("return a % 3"), FEW.replace("3)", "9)")), cap=3)
    assert sorted(output for _, output in pairs(result)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "kept", "timeouts"),
    [
        ("while True: pass", 0, 10 + PROBES),  # one process for all, then the first few alone
        ("while a == 3: pass\n    return a", 6, 10 + 1),  # the first input stops all of its process
    ],
)
def test_a_function_that_never_returns_is_not_waited_for_again_and_again(body: str, kept: int, timeouts: int) -> None:
    generator = "drawn = []\ndef input_generator():\n    drawn.append(1)\n    return {'a': len(drawn) + 2}\n"
    settings = Sampling(draws=10, draws_per_round=10)
    with open_sandbox(Limits(cpu_s=0.3, wall_s=20.0, memory_mib=256), workers=1) as sandbox:
        result = sample(sandbox, (main(body), generator), settings=settings)
    assert (len(result.tables["io_pairs"]), result.info["outcomes_by_status"]["timeout"]) == (kept, timeouts)


def test_no_more_draws_than_allowed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    run_many = sandbox.run_many

    def counted(jobs: Any) -> Any:
        listed = list(jobs)
        drawn.extend(job.draws for job in listed)
        return run_many(listed)

    monkeypatch.setattr(sandbox, "run_many", counted)
    sample(sandbox, (main("return a"), FEW), settings=Sampling(draws=25, draws_per_round=10))
    assert sum(drawn) == 25


def test_functions_of_a_shard_do_not_mix(sandbox: Sandbox) -> None:
    programs = [(main(f"return a + {number}"), NUMBER) for number in range(5)]
    programs.insert(2, (main("return None"), NUMBER))
    result = sample(sandbox, *programs, cap=2)
    given = functions(*programs)
    assert (result.items_in, result.items_out, len(result.tables["io_pairs"])) == (6, 5, 10)
    joined = result.tables["io_pairs"].join(given, on="function_id").to_dicts()
    for row in joined:
        added = json.loads(row["output_json"]) - json.loads(row["input_json"])["a"]
        assert f"a + {added}\n" in row["reference_code"]
    kept = set(result.tables["io_pairs"]["function_id"])
    dropped = set(result.tables["io_pairs_rejections"]["id"])
    assert kept | dropped == set(given["function_id"])
    assert not kept & dropped


def test_each_job_tells_how_far_the_stage_is(sandbox: Sandbox) -> None:
    said: list[str] = []
    two = functions((main("return a + 1"), NUMBER), (main("return a + 2"), NUMBER))
    sample_pairs(two, sandbox, SETTINGS, 6, Tally(said.append))
    assert said[:4] == [
        "drawing inputs: 1/2 functions, 20 calls so far",
        "drawing inputs: 2/2 functions, 40 calls so far",
        "executing inputs: 1/2 functions, 50 calls so far",
        "executing inputs: 2/2 functions, 60 calls so far",
    ]
    assert {line.split(":")[0] for line in said} == {"drawing inputs", "executing inputs", "confirming outputs"}


def test_no_functions_give_no_pairs(sandbox: Sandbox) -> None:
    assert isinstance(sample(sandbox).tables["io_pairs"], pl.DataFrame)


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_fault_of_the_machine_blames_no_function(
    fails_at: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_many, rounds = sandbox.run_many, iter(range(100))

    def failing(jobs: Any) -> Any:
        broken = next(rounds) == fails_at
        for job, outcomes in run_many(jobs):
            assert isinstance(job, Job)
            yield job, [Outcome("infrastructure"), *outcomes[1:]] if broken else outcomes

    monkeypatch.setattr(sandbox, "run_many", failing)
    with pytest.raises(InfrastructureError, match="the sandbox lost its worker"):
        sample(sandbox, (main("return a"), NUMBER))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("exception", error_type="ValueError", message="bad: "), "ValueError: bad"),
        (Outcome("exception", error_type="KeyError"), "KeyError"),
        (Outcome("out_of_memory"), "out of memory"),
    ],
)
def test_outcomes_in_words(outcome: Outcome, words: str) -> None:
    assert describe(outcome) == words
