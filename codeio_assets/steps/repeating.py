"""Doing again what a table says was done: executing stored pairs, judging stored predictions. What differs is a defect.

What does not live here: which checks there are (`checks.quality`).
"""

from dataclasses import replace

import polars as pl

from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import same_json, sha256_hex
from codeio_assets.core.values.comparison import Rule
from codeio_assets.sandbox.contract import Job, Sandbox
from codeio_assets.steps.executing import CHANGED, describe, execute
from codeio_assets.steps.verdicts import Evidence, judge

AT_A_LIMIT = {"timeout", "out_of_memory"}


def drawn(frame: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """Return up to `count` rows, chosen by a hash of their id (first column) and a seed: the same every time."""
    keyed = sorted(frame.to_series(0).to_list(), key=lambda item: sha256_hex(f"{seed}:{item}"))
    return frame.filter(pl.first().is_in(keyed[:count]))


def differing_pairs(pairs: pl.DataFrame, functions: pl.DataFrame, sandbox: Sandbox) -> list[Row]:
    """Execute pairs once more, each alone and under other surroundings; return those that give another output.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    groups: dict[str, list[Row]] = {}
    for pair in pairs.to_dicts():
        groups.setdefault(pair["function_id"], []).append(pair)
    jobs = [
        Job(function_id, code[function_id], calls=tuple(pair["input_json"] for pair in group), variant=CHANGED)
        for function_id, group in groups.items()
    ]
    rows: list[Row] = []
    for job, outcomes in execute(jobs, sandbox):
        for pair, outcome in zip(groups[job.job_id], outcomes, strict=True):
            if not same_json(outcome.value_json, pair["output_json"]):
                kept = {name: pair[name] for name in ("pair_id", "function_id", "input_json", "output_json")}
                rows.append(kept | {"now": outcome.value_json or describe(outcome)})
    return sorted(rows, key=lambda row: row["pair_id"])


def differing_verdicts(verdicts: pl.DataFrame, evidence: Evidence, sandbox: Sandbox, rule: Rule) -> list[Row]:
    """Judge the predictions of some verdicts once more; return those whose verdict differs from the stored one.

    Executions that came to a limit are left out: whether they just pass it is the machine's doing.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    chosen = pl.col("prediction_id").is_in(verdicts["prediction_id"].to_list())
    again = judge(replace(evidence, predictions=evidence.predictions.filter(chosen)), sandbox, rule).tables["verdicts"]
    now = {row["prediction_id"]: row for row in again.to_dicts()}
    rows: list[Row] = []
    for row in verdicts.to_dicts():
        other = now.get(row["prediction_id"])
        if other and {row["status"], other["status"]} & AT_A_LIMIT:
            continue
        if other is None or not _same_verdict(row, other):
            kept = {name: row[name] for name in ("prediction_id", "task_id", "status", "predicted_json")}
            rows.append(kept | {"now": other["status"] if other else "no such prediction"})
    return rows


def _same_verdict(one: Row, other: Row) -> bool:
    values = ("predicted_json", "executed_output_json")
    return one["status"] == other["status"] and all(same_json(one[name], other[name]) for name in values)
