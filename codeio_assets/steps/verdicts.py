"""verdicts: judging predictions by execution.

What does not live here: reading answers and comparing (`core.method.verdicts`), execution (`steps.executing`).
"""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from codeio_assets.core.method.verdicts import Judgement, Rule
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import content_id
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.executing import Claim, Tally, judge_claims
from codeio_assets.steps.result import StepResult, account


@dataclass(frozen=True)
class Evidence:
    """What predictions are judged by: the tables of these names, of one shard."""

    predictions: pl.DataFrame
    prediction_tasks: pl.DataFrame
    io_pairs: pl.DataFrame
    unified_functions: pl.DataFrame


def judge(
    evidence: Evidence, sandbox: Sandbox, rule: Rule, table: str = "verdicts", tally: Tally | None = None
) -> StepResult:
    """Give each prediction its verdict; a `tally` that is given goes on counting what execution costs.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    targets = _targets(evidence.prediction_tasks, evidence.io_pairs)
    code = dict(evidence.unified_functions.select("function_id", "reference_code").iter_rows())
    tally = tally or Tally()
    made = evidence.predictions.to_dicts()
    claims = [
        Claim(
            row["function_id"],
            row["direction"],
            row["status"],
            row["response"],
            targets[row["task_id"]],
            code[row["function_id"]],
        )
        for row in made
    ]
    judgements = judge_claims(claims, sandbox, rule, tally)
    rows = [_verdict(row, judgement) for row, judgement in zip(made, judgements, strict=True)]
    info = tally.as_info(sandbox) | {"verdicts_by_status": dict(sorted(Counter(r["status"] for r in rows).items()))}
    return account(table, rows, None, items_in=len(made), info=info)


def _targets(tasks: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, str]:
    """Return task -> output of its pair: what a prediction in either direction is measured against."""
    joined = tasks.join(pairs.select("pair_id", "output_json"), on="pair_id", how="left", validate="m:1")
    return dict(joined.select("task_id", "output_json").iter_rows())


def _verdict(row: Row, judgement: Judgement) -> Row:
    return {
        "verdict_id": content_id(prediction_id=row["prediction_id"], rule_version=judgement.rule_version),
        **{name: row[name] for name in ("prediction_id", "task_id", "function_id", "source", "direction", "turn")},
        "status": judgement.status,
        "predicted_json": judgement.predicted_json,
        "executed_output_json": judgement.executed_output_json,
        "error_type": judgement.error_type,
        "feedback": judgement.feedback,
        "rule_version": judgement.rule_version,
    }
