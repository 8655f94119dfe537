"""Which rules there are, and how a commit stands with them.

What does not live here: the rules (`checks.tables`, `checks.quality`, `checks.checkpoints`), putting them to a commit
(`checks.rules`).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from codeio_assets.checks.checkpoints import checkpoint_rules, tokenised_rule
from codeio_assets.checks.quality import quality_rules
from codeio_assets.checks.rules import Rule
from codeio_assets.checks.tables import run_table_rule, schema_rule, sql_rules
from codeio_assets.core.values.canonical import Json
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import STEPS, Step
from codeio_assets.project import Project
from codeio_assets.running.inputs import fingerprint, flat, inputs_of
from codeio_assets.store import Finding, Manifest, Warehouse
from codeio_assets.store.parquet import changed_columns
from codeio_assets.store.standing import failed_checks

State = Literal["missing", "stale", "unchecked", "failed", "good"]


@dataclass(frozen=True)
class Standing:
    """How a partition stands: not made, made from other inputs, not checked, refused by a check, or good; and why."""

    state: State
    why: str = ""


@cache
def rules(queries: Path) -> tuple[Rule, ...]:
    """Return all rules of a project, as its folder of queries stood when they were first asked for."""
    return (
        *(schema_rule(step) for step in STEPS.values()),
        *sql_rules(queries),
        *quality_rules(),
        tokenised_rule(),
        *checkpoint_rules(1),
        *checkpoint_rules(2),
        run_table_rule("quality_report"),
    )


def rules_of(queries: Path, step: Step[object], *, blocking: bool = True) -> list[Rule]:
    """Return the rules of what a step makes, the blocking ones or all."""
    return [rule for rule in rules(queries) if rule.step is step and (rule.blocking or not blocking)]


def standing_of(step: Step[object], partition: str, project: Project, warehouse: Warehouse) -> Standing:
    """Return how a partition stands with the present inputs, settings and rules.

    Raises:
        SettingsError, RecipeError, PromptError: a file that the step uses cannot be read.
        StoreError: its manifest is damaged.
    """
    last = warehouse.standing.latest(step.asset, partition)
    if last is None:
        return Standing("missing", "was never made")
    for table, version in last.tables.items():
        if changed := changed_columns(table, version.columns):
            return Standing("stale", f"the columns of {table} changed: {changed}")
    used, upstream = step.uses(project, partition), inputs_of(step, partition, project, warehouse).upstream()
    if last.fingerprint != fingerprint(step, partition, used, upstream):
        return Standing("stale", _what_changed(last, as_json(used), upstream, step.code_version))
    standing = _checked(last, step, partition, project, warehouse.standing.findings(last))
    if standing.state == "failed" and (damaged := warehouse.damage(step.asset, partition)):
        return Standing("stale", damaged[0])
    return standing


def _checked(
    last: Manifest, step: Step[object], partition: str, project: Project, findings: dict[str, Finding]
) -> Standing:
    asked = {rule.key: rule.fingerprint(rule.uses(project, partition)) for rule in rules_of(project.sql_folder, step)}
    answers = [finding for key, finding in findings.items() if asked.get(key) == finding.fingerprint]
    if failed := failed_checks(answers):
        return Standing("failed", failed)
    if missing := sorted(asked.keys() - {finding.check for finding in answers}):
        return Standing("unchecked", f"not checked yet: {', '.join(missing)}")
    return Standing("good")


def _what_changed(last: Manifest, used: Json, upstream: dict[str, str], code_version: str) -> str:
    """Return in words what differs from when a partition was made, the first three of each kind."""
    before, now = last.info.get("made_from"), flat(used)
    if not isinstance(before, dict):
        return "was made by an earlier release"
    names = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    changed = [f"{name} {_shown(before.get(name))} -> {_shown(now.get(name))}" for name in names[:3] if name != "code"]
    if before.get("code") != code_version:
        changed.append("its code")
    inputs = sorted(
        name for name in last.upstream.keys() | upstream.keys() if last.upstream.get(name) != upstream.get(name)
    )
    more = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
    changed += [f"{', '.join(inputs[:3])}{more}"] if inputs else []
    return f"changed: {'; '.join(changed)}" if changed else "what decides it changed"


def _shown(value: Json) -> str:
    return "nothing" if value is None else str(value)
