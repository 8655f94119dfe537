"""Checks that read texts or execute again: flaws of chains of thought, stored pairs, stored verdicts, accounts.

What does not live here: schema and SQL checks (`checks`), the rules themselves (`core`, `steps`).
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl

from codeio_assets.checks.tables import check_result
from codeio_assets.core.method import pair_rules
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import Project
from codeio_assets.resources.engines import SandboxResource
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.cot_flaws import FlawRate, flaw_rates, flaw_rows
from codeio_assets.steps.repeating import differing_pairs, differing_verdicts, drawn
from codeio_assets.store import Warehouse

Failures = list[dict[str, Any]]
RATE_COLUMNS = ["rule", "model_id", "source", "count", "total", "share", "tolerated"]
FLAWED_COLUMNS = ["rule", "prediction_id", "task_id", "direction", "turn", "source"]


def cot_checks(asset: str) -> list[dg.AssetChecksDefinition]:
    """Return two checks on the chains of thought of an asset, by the two tolerances of each flaw."""
    return [
        _cot_check(asset, "cot_flaws_are_few", "warn_above"),
        _cot_check(asset, "cot_flaws_are_bearable", "block_above"),
    ]


def _cot_check(asset: str, name: str, level: str) -> dg.AssetChecksDefinition:
    rule = f"No flaw of the chains of thought is more frequent than `{level}` (codeio.yaml, quality)."
    warns = level == "warn_above"

    @dg.asset_check(
        asset=asset, name=name, blocking=not warns, partitions_def=STEPS[asset].partitions_def, description=rule
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        project, partition = Project.find(), partition_of(context)
        warehouse, quality = Warehouse(project.warehouse), project.settings.quality
        functions = warehouse.read("unified_functions", partition)
        first = warehouse.read("predictions", partition) if asset != "predictions" else None
        rows = flaw_rows(functions, warehouse.read(asset, partition), first, quality.cot)
        return flaw_result(rows, flaw_rates(rows, quality), level, rule, warns=warns)

    return check


def flaw_result(rows: Failures, rates: list[FlawRate], level: str, rule: str, *, warns: bool) -> dg.AssetCheckResult:
    """Return a check result with all rates, and the responses whose flaw is too frequent."""
    too_many = [rate for rate in rates if (limit := getattr(rate.tolerance, level)) is not None and rate.share > limit]
    failing = [
        {**row, "rule": rate.flaw}
        for rate in too_many
        for row in rows
        if row[rate.flaw] and (row["model_id"], row["source"]) == (rate.model_id, rate.source)
    ]
    table = [
        {
            "rule": rate.flaw,
            "model_id": rate.model_id,
            "source": rate.source,
            "count": rate.count,
            "total": rate.total,
            "share": round(rate.share, 4),
            "tolerated": getattr(rate.tolerance, level),
        }
        for rate in rates
    ]
    listed = "; ".join(f"{rate.flaw} {rate.share:.0%} ({rate.count} of {rate.total})" for rate in too_many)
    return check_result(
        failing,
        FLAWED_COLUMNS,
        len(rows),
        rule,
        warns=warns,
        told=f"More than tolerated: {listed}.",
        extra={keys.RATES: keys.table_value(table, RATE_COLUMNS)},
    )


PairRule = Callable[[dict[str, Any], Callable[[str], pair_rules.Signature | None]], str | None]
PAIR_RULES: dict[str, tuple[str, PairRule]] = {
    "pairs_are_within_the_complexity_rule": (
        "Inputs and outputs are small enough to be predicted by reasoning (CodeI/O, appendix A).",
        lambda pair, _signature: pair_rules.complexity_problem(pair["input_json"], pair["output_json"]),
    ),
    "arguments_match_the_signature": (
        "The names in an input are the arguments of the function.",
        lambda pair, signature: pair_rules.argument_problem(signature(pair["function_id"]), pair["input_json"]),
    ),
    "both_directions_are_feasible": (
        "The truth itself, given as an answer in either direction, is read and judged correct.",
        lambda pair, _signature: pair_rules.direction_problem(pair["input_json"], pair["output_json"]),
    ),
}
"""Check of io_pairs -> its rule in words, and why a pair breaks it."""
CAPS_RULE = "Each function has at least `sampling.min_pairs` and at most its source's `pairs_per_function` pairs."
PAIR_COLUMNS = ["pair_id", "function_id", "problem", "input_json", "output_json"]


def pair_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks of io_pairs that look at each pair without running anything."""
    return [_pair_check(name, rule, problem_of) for name, (rule, problem_of) in PAIR_RULES.items()]


def _pair_check(name: str, rule: str, problem_of: PairRule) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="io_pairs", name=name, blocking=True, partitions_def=STEPS["io_pairs"].partitions_def, description=rule
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        warehouse, partition = Warehouse(Project.find().warehouse), partition_of(context)
        pairs = warehouse.read("io_pairs", partition)
        failures = pair_failures(pairs, warehouse.read("unified_functions", partition), problem_of)
        return check_result(failures, PAIR_COLUMNS, len(pairs), rule)

    return check


def pair_failures(pairs: pl.DataFrame, functions: pl.DataFrame, problem_of: PairRule) -> Failures:
    """Return the pairs that break a rule, each with what is wrong."""
    code = functions.select("function_id", "reference_code").iter_rows()
    signatures = {function_id: pair_rules.signature_of(text) for function_id, text in code}
    judged = ((pair, problem_of(pair, signatures.get)) for pair in pairs.to_dicts())
    return [{**pair, "problem": problem} for pair, problem in judged if problem]


@dg.asset_check(
    asset="io_pairs",
    name="functions_have_as_many_pairs_as_wanted",
    blocking=True,
    partitions_def=STEPS["io_pairs"].partitions_def,
    description=CAPS_RULE,
)
def caps_check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Compare the pairs of each function with the settings."""
    project, partition = Project.find(), partition_of(context)
    counts = Warehouse(project.warehouse).read("io_pairs", partition).group_by("function_id", "source").len("pairs")
    least = project.settings.sampling.min_pairs
    most = {name: project.source(name).pairs_per_function for name in counts["source"].unique()}
    rows = counts.sort("function_id").to_dicts()
    failures = [row for row in rows if not min(least, most[row["source"]]) <= row["pairs"] <= most[row["source"]]]
    return check_result(failures, ["function_id", "source", "pairs"], len(counts), CAPS_RULE)


@dg.asset_check(
    asset="io_pairs",
    name="outputs_reproduce",
    blocking=True,
    partitions_def=STEPS["io_pairs"].partitions_def,
    description="A sample of pairs, executed again under other surroundings, gives the stored outputs.",
    retry_policy=INFRASTRUCTURE,
    pool="sandbox",
)
def outputs_reproduce(context: dg.AssetCheckExecutionContext, sandbox: SandboxResource) -> dg.AssetCheckResult:
    """Execute a sample of pairs once more."""
    project, partition = Project.find(), partition_of(context)
    warehouse, quality = Warehouse(project.warehouse), project.settings.quality
    pairs = drawn(warehouse.read("io_pairs", partition), quality.repeated_pairs, quality.seed)
    failures: Failures = []
    if len(pairs):
        with failing_at_once(), sandbox.open() as box:
            failures = differing_pairs(pairs, warehouse.read("unified_functions", partition), box)
    columns = ["pair_id", "function_id", "input_json", "output_json", "now"]
    return check_result(failures, columns, len(pairs), "The stored output is what the code gives, in a new process.")


@dg.asset_check(
    asset="verdicts",
    name="verdicts_are_repeatable",
    blocking=True,
    partitions_def=STEPS["verdicts"].partitions_def,
    description="A sample of predictions, judged again, gets the stored verdicts.",
    retry_policy=INFRASTRUCTURE,
    pool="sandbox",
)
def verdicts_are_repeatable(context: dg.AssetCheckExecutionContext, sandbox: SandboxResource) -> dg.AssetCheckResult:
    """Judge a sample of predictions once more."""
    project, partition = Project.find(), partition_of(context)
    warehouse, settings = Warehouse(project.warehouse), project.settings
    verdicts = drawn(warehouse.read("verdicts", partition), settings.quality.repeated_verdicts, settings.quality.seed)
    failures: Failures = []
    if len(verdicts):
        names = ("predictions", "prediction_tasks", "io_pairs", "unified_functions")
        made, tasks, pairs, functions = (warehouse.read(name, partition) for name in names)
        with failing_at_once(), sandbox.open() as box:
            failures = differing_verdicts(verdicts, made, tasks, pairs, functions, box, settings.judging.rule)
    columns = ["prediction_id", "task_id", "status", "predicted_json", "now"]
    return check_result(failures, columns, len(verdicts), "Judging again gives the stored verdict.")


@dg.asset_check(
    asset="training_sets",
    name="items_are_accounted_for",
    blocking=True,
    partitions_def=STEPS["training_sets"].partitions_def,
    description="Every task and conversation that a stage was offered is a sample or a rejection.",
)
def items_are_accounted_for(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Compare the rows of a training set with the items that were offered, as its manifest counts them."""
    manifest = Warehouse(Project.find().warehouse).manifest("training_sets", partition_of(context))
    counts = {name: version.rows for name, version in manifest.tables.items()} if manifest else {}
    offered = int(manifest.info.get("items_in") or 0) if manifest else 0  # pyright: ignore[reportArgumentType]
    row = {"offered": offered, "samples": counts.get("training_sets", 0)}
    row["rejections"] = counts.get("training_sets_rejections", 0)
    failures = [row] if row["offered"] != row["samples"] + row["rejections"] else []
    return check_result(failures, list(row), offered, "Items offered = samples + rejections.")


def quality_checks() -> list[dg.AssetChecksDefinition]:
    """Return all checks of this module."""
    return [
        *cot_checks("predictions"),
        *cot_checks("revised_predictions"),
        *pair_checks(),
        caps_check,
        outputs_reproduce,
        verdicts_are_repeatable,
        items_are_accounted_for,
    ]
