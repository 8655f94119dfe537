"""Rules on checkpoints: losses, token audit, manifest, generation, and the sides of the split.

What does not live here: what is looked at (`training.inspection`), schemas and SQL (`checks.tables`).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import dagster as dg

from codeio_assets.checks.rules import Checking, Rule
from codeio_assets.core.settings.recipes import AuditLimits
from codeio_assets.core.tables.data import Row
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.uses import nothing
from codeio_assets.project import Project
from codeio_assets.training.contract import TrainingError, checkpoint_folder
from codeio_assets.training.inspection import (
    functions_on_both_sides,
    generation_problems,
    loss_problems,
    manifest_problems,
    trained_on,
)
from codeio_assets.training.tokenised.audit import beyond_limits

Findings = tuple[list[str], list[str]]
"""What is wrong, and what is only worth a warning."""


def checkpoint_rules(stage: int) -> list[Rule]:
    """Return the rules on a stage's checkpoints; a recipe without the stage keeps them."""
    asset = f"sft_stage{stage}_checkpoint"
    reads = (asset, f"sft_stage{stage}_training_log", f"sft_stage{stage}_token_audit")
    return [
        Rule(asset, name, says, partial(_put, find, stage), reads=reads, uses=_limits if find is _audit else nothing)
        for name, (says, find) in RULES.items()
    ]


def tokenised_rule() -> Rule:
    """Return the rule on tokenised sets, which is asked before a GPU is."""
    asset, name = "tokenised_sets", "token_audit_is_within_limits"
    return Rule(asset, name, RULES[name][0], _within_limits, reads=(asset,), uses=_limits)


def _within_limits(checking: Checking) -> dg.AssetCheckResult:
    rows = checking.read("tokenised_sets").to_dicts()
    return _result([f"stage {row['stage']}: {told}" for row in rows for told in audit_problems(row, checking.uses)], [])


def _limits(project: Project, recipe: str) -> AuditLimits:
    return project.recipe(recipe).limits


def _put(find: "Find", stage: int, checking: Checking) -> dg.AssetCheckResult:
    wrong: list[str] = []
    doubtful: list[str] = []
    for row in checking.read(f"sft_stage{stage}_checkpoint").to_dicts():
        found = find(stage, row, checking)
        wrong += found[0]
        doubtful += found[1]
    return _result(wrong, doubtful)


def _result(wrong: list[str], doubtful: list[str]) -> dg.AssetCheckResult:
    found = wrong + doubtful
    metadata: dict[str, dg.MetadataValue | int] = {"codeio/findings": len(found)}
    if found:
        metadata["codeio/failures"] = keys.table_value([{"finding": text} for text in found], ["finding"])
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:3]) or None,
        metadata=metadata,
    )


def _losses(stage: int, row: Row, checking: Checking) -> Findings:
    log = checking.read(f"sft_stage{stage}_training_log").sort("step")
    return loss_problems(log["loss"].to_list(), row["loss_before"], row["loss_after"])


def _audit(stage: int, _row: Row, checking: Checking) -> Findings:
    rows = checking.read(f"sft_stage{stage}_token_audit").to_dicts()
    return [problem for row in rows for problem in audit_problems(row, checking.uses)], []


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


def _folder(row: Row, checking: Checking) -> Path:
    return checkpoint_folder(checking.project.checkpoints, row["path"])


def _manifest(_stage: int, row: Row, checking: Checking) -> Findings:
    return manifest_problems(_folder(row, checking), row["checkpoint_sha256"]), []


def _generation(_stage: int, row: Row, checking: Checking) -> Findings:
    try:
        return generation_problems(_folder(row, checking)), []
    except TrainingError as error:
        return [str(error)], []


def _own_file(file: str, checking: Checking) -> str:
    """Return a file of the warehouse: 0.1.0 wrote whole paths, which lead nowhere once the project was moved."""
    _, tables, rest = file.rpartition("/tables/")
    own = checking.warehouse.root / "tables" / rest
    return str(own) if tables and not Path(file).exists() and own.exists() else file


def _sides(_stage: int, row: Row, checking: Checking) -> Findings:
    try:
        files = [_own_file(file, checking) for file in trained_on(_folder(row, checking))]
        both = functions_on_both_sides(files)
    except TrainingError as error:
        return [str(error)], []
    return [f"function {function} is held out and was trained on" for function in both], []


Find = Callable[[int, Row, Checking], Findings]
RULES: dict[str, tuple[str, Find]] = {
    "losses_are_finite_and_fall": ("Every logged loss is a number, and the held-out loss fell.", _losses),
    "token_audit_is_within_limits": ("Truncation, padding and epochs are within the recipe's limits.", _audit),
    "manifest_is_complete": ("The folder holds the checkpoint of the row, whole, with all of its history.", _manifest),
    "loads_and_generates": ("The checkpoint was loaded from its folder alone and generated tokens.", _generation),
    "no_held_out_function_was_trained_on": ("No function of a training row is held out as well.", _sides),
}
