"""Rules that take reading texts or executing again: chains of thought, stored pairs and verdicts, accounts.

What does not live here: schemas and SQL (`checks.tables`), the rules themselves (`core`, `steps`).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import dagster as dg
import polars as pl

from codeio_assets.checks.rules import Checking, Rule
from codeio_assets.checks.tables import check_result
from codeio_assets.core.method import pair_rules
from codeio_assets.core.settings.quality import Quality
from codeio_assets.core.tables.data import Row
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.records import Judged
from codeio_assets.graph.uses import judged
from codeio_assets.project import Project
from codeio_assets.steps.cot_flaws import FlawRate, flaw_rates, flaw_rows
from codeio_assets.steps.repeating import differing_pairs, differing_verdicts, drawn
from codeio_assets.steps.verdicts import Evidence

Failures = list[Row]
RATE_COLUMNS = ["rule", "model_id", "source", "count", "total", "share", "tolerated"]
FLAWED_COLUMNS = ["rule", "prediction_id", "task_id", "direction", "turn", "source"]


def cot_rules(asset: str) -> list[Rule]:
    """Return two rules on the chains of thought of an asset, by the two tolerances of each flaw."""
    return [
        _cot_rule(asset, "cot_flaws_are_few", "warn_above"),
        _cot_rule(asset, "cot_flaws_are_bearable", "block_above"),
    ]


def _cot_rule(asset: str, name: str, level: str) -> Rule:
    says = f"No flaw of the chains of thought is more frequent than `{level}` (codeio.yaml, quality)."
    warns = level == "warn_above"

    def find(checking: Checking) -> dg.AssetCheckResult:
        quality: Quality = checking.uses
        first = checking.read("predictions") if asset != "predictions" else None
        rows = flaw_rows(checking.read("unified_functions"), checking.read(asset), first, quality.cot)
        return flaw_result(rows, flaw_rates(rows, quality), level, says, warns=warns)

    reads = ("unified_functions", "predictions", *((asset,) if asset != "predictions" else ()))
    return Rule(asset, name, says, find, not warns, reads, lambda project, _partition: project.settings.quality)


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


PairRule = Callable[[Row, Callable[[str], pair_rules.Signature | None]], str | None]
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


def pair_rules_of() -> list[Rule]:
    """Return the rules of io_pairs that look at each pair without running anything."""
    return [_pair_rule(name, says, problem_of) for name, (says, problem_of) in PAIR_RULES.items()]


def _pair_rule(name: str, says: str, problem_of: PairRule) -> Rule:
    def find(checking: Checking) -> dg.AssetCheckResult:
        pairs = checking.read("io_pairs")
        failures = pair_failures(pairs, checking.read("unified_functions"), problem_of)
        return check_result(failures, PAIR_COLUMNS, len(pairs), says)

    return Rule("io_pairs", name, says, find, reads=("io_pairs", "unified_functions"))


def pair_failures(pairs: pl.DataFrame, functions: pl.DataFrame, problem_of: PairRule) -> Failures:
    """Return the pairs that break a rule, each with what is wrong."""
    code = functions.select("function_id", "reference_code").iter_rows()
    signatures = {function_id: pair_rules.signature_of(text) for function_id, text in code}
    judged = ((pair, problem_of(pair, signatures.get)) for pair in pairs.to_dicts())
    return [{**pair, "problem": problem} for pair, problem in judged if problem]


@dataclass(frozen=True)
class Caps:
    """How many pairs a function of a shard has."""

    least: int
    most: int


def _caps(project: Project, shard: str) -> Caps:
    most = project.source(shard.rsplit("-", 1)[0]).pairs_per_function
    return Caps(min(project.settings.sampling.min_pairs, most), most)


def _within_caps(checking: Checking) -> dg.AssetCheckResult:
    caps: Caps = checking.uses
    counts = checking.read("io_pairs").group_by("function_id", "source").len("pairs")
    failures = [row for row in counts.sort("function_id").to_dicts() if not caps.least <= row["pairs"] <= caps.most]
    return check_result(failures, ["function_id", "source", "pairs"], len(counts), CAPS_RULE)


@dataclass(frozen=True)
class Repeated:
    """How many stored rows are made again, which, and how."""

    count: int
    seed: int
    judged: Judged


def _repeated_pairs(project: Project, partition: str) -> Repeated:
    quality = project.settings.quality
    return Repeated(quality.repeated_pairs, quality.seed, judged(project, partition))


def _repeated_verdicts(project: Project, partition: str) -> Repeated:
    return replace(_repeated_pairs(project, partition), count=project.settings.quality.repeated_verdicts)


def _outputs_reproduce(checking: Checking) -> dg.AssetCheckResult:
    repeated: Repeated = checking.uses
    pairs = drawn(checking.read("io_pairs"), repeated.count, repeated.seed)
    failures: Failures = []
    if len(pairs):
        with checking.box() as box:
            failures = differing_pairs(pairs, checking.read("unified_functions"), box)
    columns = ["pair_id", "function_id", "input_json", "output_json", "now"]
    return check_result(failures, columns, len(pairs), "The stored output is what the code gives, in a new process.")


def _verdicts_are_repeatable(checking: Checking) -> dg.AssetCheckResult:
    repeated: Repeated = checking.uses
    verdicts = drawn(checking.read("verdicts"), repeated.count, repeated.seed)
    failures: Failures = []
    if len(verdicts):
        with checking.box() as box:
            failures = differing_verdicts(verdicts, checking.frames(Evidence), box, repeated.judged.rule)
    columns = ["prediction_id", "task_id", "status", "predicted_json", "now"]
    return check_result(failures, columns, len(verdicts), "Judging again gives the stored verdict.")


def _items_are_accounted_for(checking: Checking) -> dg.AssetCheckResult:
    """Compare the rows of a training set with the items that were offered, as its manifest counts them."""
    manifest = checking.manifest
    counts = {name: version.rows for name, version in manifest.tables.items()} if manifest else {}
    offered = int(manifest.info.get("items_in") or 0) if manifest else 0  # pyright: ignore[reportArgumentType]
    row = {"offered": offered, "samples": counts.get("training_sets", 0)}
    row["rejections"] = counts.get("training_sets_rejections", 0)
    failures = [row] if row["offered"] != row["samples"] + row["rejections"] else []
    return check_result(failures, list(row), offered, "Items offered = samples + rejections.")


OUTPUTS_REPRODUCE = Rule(
    "io_pairs",
    "outputs_reproduce",
    "A sample of pairs, executed again under other surroundings, gives the stored outputs.",
    _outputs_reproduce,
    reads=("io_pairs", "unified_functions"),
    uses=_repeated_pairs,
    executes=True,
)
VERDICTS_ARE_REPEATABLE = Rule(
    "verdicts",
    "verdicts_are_repeatable",
    "A sample of predictions, judged again, gets the stored verdicts.",
    _verdicts_are_repeatable,
    reads=("verdicts", *(field.name for field in fields(Evidence))),
    uses=_repeated_verdicts,
    executes=True,
)
ITEMS_ARE_ACCOUNTED_FOR = Rule(
    "training_sets",
    "items_are_accounted_for",
    "Every task and conversation that a stage was offered is a sample or a rejection.",
    _items_are_accounted_for,
)
WITHIN_CAPS = Rule(
    "io_pairs", "functions_have_as_many_pairs_as_wanted", CAPS_RULE, _within_caps, reads=("io_pairs",), uses=_caps
)


def quality_rules() -> list[Rule]:
    """Return all rules of this module."""
    return [
        *cot_rules("predictions"),
        *cot_rules("revised_predictions"),
        *pair_rules_of(),
        WITHIN_CAPS,
        OUTPUTS_REPRODUCE,
        VERDICTS_ARE_REPEATABLE,
        ITEMS_ARE_ACCOUNTED_FOR,
    ]
