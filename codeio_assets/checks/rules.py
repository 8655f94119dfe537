"""Checks as declarations: what a rule says, what it reads and goes by, and how it is put to a commit.

A check looks at the last commit of its partition, good or not, and at good versions of everything else. What it says is
kept; when all blocking rules of a step hold, the commit becomes live. What does not live here: the rules themselves
(`checks.tables`, `checks.quality`, `checks.checkpoints`), which there are (`checks.registry`).
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from codeio_assets.core.values.canonical import content_id
from codeio_assets.graph.partitions import partition_of
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import MAKERS, Step
from codeio_assets.graph.uses import nothing
from codeio_assets.project import Project
from codeio_assets.resources.engines import ProjectResource, SandboxResource
from codeio_assets.running.inputs import TRUST_S, Inputs, inputs_of_check
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.sandbox import Sandbox
from codeio_assets.store import Finding, Manifest


@dataclass(frozen=True)
class Rule:
    """A rule that the rows of an asset keep.

    Args:
        asset: whose rows.
        name: what is true when it holds.
        says: the rule in words.
        find: looks at a commit.
        blocking: whether a commit that breaks it is not good, and stops what comes after.
        reads: tables that it looks at.
        uses: returns the record of what else decides what it says: thresholds, a rule's version, its SQL.
        executes: whether it runs untrusted code.
    """

    asset: str
    name: str
    says: str
    find: Callable[["Checking"], dg.AssetCheckResult]
    blocking: bool = True
    reads: tuple[str, ...] = ()
    uses: Callable[[Project, str], Any] = nothing
    executes: bool = False

    @property
    def step(self) -> Step[object]:
        """The step that makes the asset."""
        return MAKERS[self.asset]

    @property
    def key(self) -> str:
        """The rule's name among those of its step."""
        return self.name if self.asset == self.step.asset else f"{self.asset}.{self.name}"

    def fingerprint(self, used: object) -> str:
        """Return the content id of what the rule goes by."""
        return content_id(rule=self.name, asset=self.asset, says=self.says, uses=as_json(used))


@dataclass(frozen=True)
class Checking(Inputs):
    """A rule that is put to a commit; `manifest` is None when nothing was committed."""

    rule: Rule
    partition: str
    project: Project
    uses: Any
    manifest: Manifest | None
    sandbox: SandboxResource | None = None

    @contextmanager
    def box(self) -> Generator[Sandbox]:
        """Open the sandbox for a rule that executes."""
        assert self.sandbox is not None, f"{self.rule.name} does not say that it executes"
        settings = self.project.settings.sandbox
        with self.sandbox.open(settings.limits, settings.workers) as box:
            yield box


def check_of(rule: Rule, required: Callable[[Step[object]], Iterable[str]]) -> dg.AssetChecksDefinition:
    """Return a rule as Dagster knows it; `required` names the rules that make a step's commit good."""
    arguments: dict[str, Any] = {
        "asset": rule.asset,
        "name": rule.name,
        "blocking": rule.blocking,
        "partitions_def": rule.step.partitions_def,
        "description": rule.says,
    }

    def put(
        context: dg.AssetCheckExecutionContext, project: ProjectResource, sandbox: SandboxResource | None = None
    ) -> dg.AssetCheckResult:
        with failing_at_once():
            checking = _begin(rule, partition_of(context), project.get(), sandbox)
            result = rule.find(checking)
            _conclude(checking, result, required(rule.step), context.run.run_id)
        return result

    if rule.executes:

        @dg.asset_check(**arguments, retry_policy=INFRASTRUCTURE, pool="sandbox")
        def executing(
            context: dg.AssetCheckExecutionContext, project: ProjectResource, sandbox: SandboxResource
        ) -> dg.AssetCheckResult:
            return put(context, project, sandbox)

        return executing

    @dg.asset_check(**arguments)
    def reading(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        return put(context, project)

    return reading


def _begin(rule: Rule, partition: str, project: Project, sandbox: SandboxResource | None) -> Checking:
    warehouse = project.open_warehouse(trust_s=TRUST_S)
    given, own = inputs_of_check(rule.step, rule.reads, partition, project, warehouse, rule.name)
    used = rule.uses(project, partition)
    return Checking(given.who, given.reads, warehouse, given.manifests, rule, partition, project, used, own, sandbox)


def _conclude(checking: Checking, result: dg.AssetCheckResult, required: Iterable[str], run_id: str) -> None:
    """Keep what a check said, and make the commit live when that was the last thing missing."""
    if checking.manifest is None:
        return
    rule = checking.rule
    finding = Finding(
        check=rule.key,
        commit=checking.manifest.commit,
        passed=result.passed or result.severity == dg.AssetCheckSeverity.WARN,
        blocking=rule.blocking,
        fingerprint=rule.fingerprint(checking.uses),
        told=result.description or "",
        run_id=run_id,
    )
    checking.warehouse.standing.conclude(checking.manifest, finding, required)
