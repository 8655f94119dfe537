"""Checks of checkpoints: losses, token audit, manifest, generation, and the sides of the split.

What does not live here: what is looked at (`training.inspection`), schemas and SQL rules (`checks`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from codeio_assets.core.settings.recipes import AuditLimits
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of, recipes
from codeio_assets.project import Project
from codeio_assets.store import Warehouse
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.inspection import (
    functions_on_both_sides,
    generation_problems,
    loss_problems,
    manifest_problems,
    trained_on,
)
from codeio_assets.training.process.audit import beyond_limits

Row = dict[str, Any]
Findings = tuple[list[str], list[str]]
"""What is wrong, and what is only worth a warning."""


def checkpoint_checks(stage: int) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a stage's checkpoints; a recipe without the stage passes them."""
    return [_check(stage, name, description, find) for name, (description, find) in RULES.items()]


def _check(stage: int, name: str, description: str, find: Callable[[int, Row, str], Findings]) -> Any:
    asset = f"sft_stage{stage}_checkpoint"

    @dg.asset_check(asset=asset, name=name, description=description, blocking=True, partitions_def=recipes)
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        recipe = partition_of(context)
        rows = Warehouse(Project.find().warehouse).read(asset, recipe).to_dicts()
        wrong: list[str] = []
        doubtful: list[str] = []
        for row in rows:
            found = find(stage, row, recipe)
            wrong += found[0]
            doubtful += found[1]
        return _result(wrong, doubtful)

    return check


def _result(wrong: list[str], doubtful: list[str]) -> dg.AssetCheckResult:
    found = wrong + doubtful
    metadata: dict[str, Any] = {"codeio/findings": len(found)}
    if found:
        metadata["codeio/failures"] = keys.table_value([{"finding": text} for text in found], ["finding"])
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:3]) or None,
        metadata=metadata,
    )


def _losses(stage: int, row: Row, recipe: str) -> Findings:
    log = Warehouse(Project.find().warehouse).read(f"sft_stage{stage}_training_log", recipe).sort("step")
    return loss_problems(log["loss"].to_list(), row["loss_before"], row["loss_after"])


def _audit(stage: int, _row: Row, recipe: str) -> Findings:
    rows = Warehouse(Project.find().warehouse).read(f"sft_stage{stage}_token_audit", recipe).to_dicts()
    limits = Project.find().recipes[recipe].limits
    return [problem for row in rows for problem in audit_problems(row, limits)], []


def audit_problems(row: Row, limits: AuditLimits) -> list[str]:
    """Return what of a stored token audit is beyond a recipe's limits."""
    ratios = {
        "truncated_ratio": row["rows_truncated"] / row["rows"],
        "lost_ratio": row["completion_tokens_lost"] / max(1, row["completion_tokens"]),
        "untrainable_ratio": row["rows_untrainable"] / row["rows"],
        "without_end_ratio": row["rows_without_end"] / row["rows"],
        "padding_ratio": row["padding_ratio"],
        "epochs": row["epochs_implied"],
    }
    return beyond_limits(ratios, limits)


def _manifest(_stage: int, row: Row, _recipe: str) -> Findings:
    return manifest_problems(Path(row["path"]), row["checkpoint_sha256"]), []


def _generation(_stage: int, row: Row, _recipe: str) -> Findings:
    try:
        return generation_problems(Path(row["path"])), []
    except TrainingError as error:
        return [str(error)], []


def _sides(_stage: int, row: Row, _recipe: str) -> Findings:
    try:
        both = functions_on_both_sides(trained_on(Path(row["path"])))
    except TrainingError as error:
        return [str(error)], []
    return [f"function {function} is held out and was trained on" for function in both], []


RULES: dict[str, tuple[str, Callable[[int, Row, str], Findings]]] = {
    "losses_are_finite_and_fall": ("Every logged loss is a number, and the held-out loss fell.", _losses),
    "token_audit_is_within_limits": ("Truncation, padding and epochs are within the recipe's limits.", _audit),
    "manifest_is_complete": ("The folder holds the checkpoint of the row, whole, with all of its history.", _manifest),
    "loads_and_generates": ("The checkpoint was loaded from its folder alone and generated tokens.", _generation),
    "no_held_out_function_was_trained_on": ("No function of a training row is held out as well.", _sides),
}
