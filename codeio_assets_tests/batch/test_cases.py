"""Cases of execution, sampling and determinism, each with its right value: what plain Python gives, or why no pair.

The lines are in `codeio_assets_tests/cases`; each names the public report, or the kind of attack, that it was made
after.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.batch.auditing import RecordedFunction, audit_functions
from codeio_assets.batch.lines import writing
from codeio_assets.batch.running import ProgramLine, run_programs
from codeio_assets.batch.sampling import Outputs, ResponseLine, sample_responses
from codeio_assets.core.settings.project import Sampling
from codeio_assets.sandbox import Limits, SandboxUnavailable, open_sandbox
from codeio_assets.sandbox.pool import WorkerPool

CASES = Path(__file__).parents[1] / "cases"
Row = dict[str, Any]


def lines(name: str) -> list[Row]:
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]


EXECUTED = [row for row in lines("execution") if row["command"] == "codeio run"]
AUDITED = [row for row in lines("execution") if row["command"] == "codeio audit"]
SAMPLED = lines("sampling")
DETERMINISM = [row for row in lines("sandbox_probes") if row["group"] == "determinism"]
KEPT = {"determinism-float-blas", "determinism-thread-race", "determinism-signals-of-variant"}
"""Rightly kept: last digits depend on the processor, short threads end in order, and a fact of the sandbox's own."""
RESPONSE = """## Main Function

```python
{code}
```

## Input Output Description

See the code.

## Input Generator

```python
import random
def input_generator():
    return {{"a": random.choice([104262, 7, 33, 250])}}
```

## Problem Statement

What is the result?
"""


def ids(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[WorkerPool]:
    try:
        opened = open_sandbox(Limits(), workers=2)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened


@pytest.fixture(scope="module")
def executed(sandbox: WorkerPool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    folder = tmp_path_factory.mktemp("executed")
    programs = [ProgramLine(id=row["id"], **row["input"]) for row in EXECUTED]
    with writing(folder / "out.jsonl") as out:
        run_programs(programs, sandbox, out)
    return {row["id"]: row["outcomes"] for row in map(json.loads, (folder / "out.jsonl").read_text().splitlines())}


@pytest.mark.parametrize("row", EXECUTED, ids=ids(EXECUTED))
def test_execution(executed: dict[str, list[Row]], row: Row) -> None:
    for (status, right), outcome in zip(row["right"], executed[row["id"]], strict=True):
        assert outcome["status"] == status, outcome
        if row["id"] == "E40_caught":  # "about 990": how deep the caller is, is the caller's
            assert 980 < outcome["value"] < 1000
        elif status == "ok":
            assert outcome["value"] == right
        else:
            assert outcome["error_type"] == right


@pytest.mark.parametrize("row", AUDITED, ids=ids(AUDITED))
def test_audit(sandbox: WorkerPool, tmp_path: Path, row: Row) -> None:
    with writing(tmp_path / "out.jsonl") as out:
        audited = audit_functions([RecordedFunction(**row["input"])], sandbox, out)
    assert dict(audited.functions) == {row["right"]: 1}


def sampled(responses: list[ResponseLine], sandbox: WorkerPool, folder: Path) -> dict[str, list[str]]:
    """Return for each response `["kept"]`, or the reason and the detail."""
    names = ("functions", "pairs", "rejections")
    with (
        writing(folder / "functions.jsonl") as functions,
        writing(folder / "pairs.jsonl") as pairs,
        writing(folder / "rejections.jsonl") as rejections,
    ):
        sample_responses(responses, sandbox, Sampling(), 3, Outputs(functions, pairs, rejections))
    found = {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in names}
    kept = {row["id"]: ["kept"] for row in found["functions"]}
    return kept | {row["id"]: [row["reason"], row["detail"]] for row in found["rejections"]}


@pytest.fixture(scope="module")
def sampling(sandbox: WorkerPool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    responses = [ResponseLine(id=row["id"], response=row["input"]) for row in SAMPLED]
    responses += [ResponseLine(id=row["id"], response=RESPONSE.format(code=row["code"])) for row in DETERMINISM]
    return sampled(responses, sandbox, tmp_path_factory.mktemp("sampled"))


@pytest.mark.parametrize("row", SAMPLED, ids=ids(SAMPLED))
def test_sampling(sampling: dict[str, list[str]], row: Row) -> None:
    reason = sampling[row["id"]][0]
    rights = [row["right"]] if isinstance(row["right"], str) else row["right"]
    assert any(reason == right or (right == "nondeterministic" and reason.startswith(right)) for right in rights), (
        sampling[row["id"]]
    )


@pytest.mark.parametrize("row", DETERMINISM, ids=ids(DETERMINISM))
def test_what_is_no_function_of_its_input_is_no_pair(sampling: dict[str, list[str]], row: Row) -> None:
    reason, *detail = sampling[row["id"]]
    assert reason == "kept" if row["id"] in KEPT else reason.startswith("nondeterministic"), (reason, detail)
