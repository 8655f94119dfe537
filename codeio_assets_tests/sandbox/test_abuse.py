"""Every program of the table against the real sandbox, and the next program after each."""

import json
import tempfile
from pathlib import Path

import psutil
import pytest

from codeio_assets.sandbox import Job, Outcome
from codeio_assets.sandbox.pool import WorkerPool
from codeio_assets_tests.sandbox.abuses import ABUSES, FORBIDDEN, Abuse

CANARY = Job(
    "canary",
    "import os\ndef main_solution(a):\n    return [a, os.listdir('.'), sorted(os.environ)]\n",
    calls=['{"a": 5}'],
)


def descendants() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if process.status() != "zombie"]


def leaves() -> list[psutil.Process]:
    """The processes below a zygote, which is the child of bubblewrap, which is ours."""
    bubblewraps = [child for child in psutil.Process().children() if child.name() == "bwrap"]
    return [leaf for bwrap in bubblewraps for zygote in bwrap.children() for leaf in zygote.children(recursive=True)]


def assert_honest(abuse: Abuse, outcome: Outcome) -> None:
    assert outcome.status in abuse.statuses, outcome
    assert (outcome.value_json is not None) == (outcome.status == "ok")
    if outcome.value_json is not None:
        value = json.loads(outcome.value_json)
        assert value not in FORBIDDEN
        if abuse.has_value:
            assert value == abuse.value


def test_the_table_is_broad() -> None:
    assert len({abuse.name for abuse in ABUSES}) == len(ABUSES) >= 80


@pytest.mark.parametrize("abuse", ABUSES, ids=lambda abuse: abuse.name)
def test_abuse(sandbox: WorkerPool, abuse: Abuse) -> None:
    outcomes = sandbox.run(Job(abuse.name, abuse.code, calls=['{"a": 1}']))
    assert len(outcomes) == 1
    assert_honest(abuse, outcomes[0])
    assert not leaves()
    [after] = sandbox.run(CANARY)
    assert after.value_json == '[5,[],["HOME","LANG","LOGNAME","PATH","USER"]]'


def test_shared_examples(sandbox: WorkerPool) -> None:
    path = Path(__file__).parents[3] / "shared/data/hostile/programs.jsonl"
    if not path.is_file():
        pytest.skip(f"../shared/data is absent: no {path}")
    for line in path.read_text().splitlines():
        given = json.loads(line)
        calls = [json.dumps(call) for call in given["calls"]]
        for outcome in sandbox.run(Job(given["id"], given["code"], calls=calls)):
            assert outcome.status in given["allowed_statuses"], (given["id"], outcome)
            assert outcome.value_json is None or json.loads(outcome.value_json) not in given["forbidden_values"]
    assert not leaves()


def test_nothing_is_left_in_the_temporary_directory(sandbox: WorkerPool) -> None:
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.iterdir())
    sandbox.run(Job("files", "open('left', 'w').write('x')\ndef main_solution(): return 1\n", calls=["{}"]))
    assert not {path for path in set(temporary.iterdir()) - before if "left" in path.name}
