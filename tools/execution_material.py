"""What the execution benchmark runs on: real functions with recorded inputs, and how CPU time is counted.

What does not live here: the ways of running them (`execution_ways`) and the table (`bench_execution`).
"""

import json
import os
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from codeio_assets.core.values.canonical import written_json
from codeio_assets.core.values.comparison import equal_values
from codeio_assets.sandbox import Job, Sandbox
from codeio_assets.sandbox.preloading import worker_kind
from codeio_assets.steps.executing import CHANGED, REFERENCE

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LIGHT_CALL_S = 0.001
"""A function is light when it imports nothing heavy and its bare call takes less than this."""


@dataclass(frozen=True, slots=True)
class Check:
    """One recorded input of one function, and the recorded output that its execution must give."""

    function: str
    code: str
    entry: str
    input_json: str
    output_json: str

    @property
    def kind(self) -> str:
        """The kind of worker that it runs in."""
        return worker_kind(self.code)


def data_file(*parts: str) -> Path:
    """Return a file of the shared test material; ends the program where it is absent."""
    path = DATA.joinpath(*parts)
    if not path.is_file():
        sys.exit(f"{path} is absent: this tool needs the shared test material")
    return path


def rows_of(*parts: str) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file of the shared test material."""
    return [json.loads(line) for line in data_file(*parts).open()]


def recorded_checks(inputs_per_function: int) -> list[Check]:
    """Return the first recorded inputs of each published function."""
    return [
        Check(
            str(number),
            row["refcode"],
            row["funcname"],
            written_json(pair["input"]),
            written_json(pair["output"]),
        )
        for number, row in enumerate(rows_of("codeio", "parsed_functions.jsonl"))
        for pair in row["ios"][:inputs_per_function]
    ]


def jobs_of(checks: list[Check]) -> list[Job]:
    """Return one job per function, with all its inputs."""
    by_function: dict[str, list[Check]] = {}
    for check in checks:
        by_function.setdefault(check.function, []).append(check)
    return [
        Job(key, group[0].code, group[0].entry, tuple(each.input_json for each in group), variant=REFERENCE)
        for key, group in by_function.items()
    ]


def sound_checks(checks: list[Check], sandbox: Sandbox) -> list[Check]:
    """Return the checks that give the recorded output under two random seeds, so that every way can run them."""
    for variant in (REFERENCE, CHANGED):
        given = {
            (job.job_id, text): outcome.value_json
            for job, outcomes in sandbox.run_many([replace(job, variant=variant) for job in jobs_of(checks)])
            for text, outcome in zip(job.calls, outcomes, strict=True)
        }
        checks = [check for check in checks if _is_given(check, given[check.function, check.input_json])]
    return checks


def _is_given(check: Check, value: str | None) -> bool:
    return value is not None and equal_values(json.loads(check.output_json), json.loads(value))


def cpu_seconds() -> float:
    """Return the CPU time of this process, of its ended children, and of its living descendants with theirs."""
    own, ended = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.user + own.system + ended.ru_utime + ended.ru_stime
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def worker_memory() -> dict[int, tuple[float, float]]:
    """Return RSS and PSS in MiB per worker: bubblewrap and the zygote below it."""
    sizes: dict[int, tuple[float, float]] = {}
    for bubblewrap in psutil.Process().children():
        infos = [process.memory_full_info() for process in (bubblewrap, *bubblewrap.children(recursive=True))]
        sizes[bubblewrap.pid] = sum(each.rss for each in infos) / 2**20, sum(each.pss for each in infos) / 2**20
    return sizes
