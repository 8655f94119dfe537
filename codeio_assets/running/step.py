"""A step from beginning to commit: what it was given when it began is what its result is signed with.

`begin` reads the project once, fixes the versions of the declared tables and the record of what else decides, and the
fingerprint over both; the body gets these, and `publish` uses nothing else. What does not live here: what is read
(`running.inputs`), what the UI shows of a commit (`running.publishing`), checks (`checks`).
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic

import dagster as dg
import polars as pl

from codeio_assets.core.values.canonical import Json
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import Step, Used
from codeio_assets.project import Project
from codeio_assets.resources.engines import ProjectResource
from codeio_assets.running.inputs import TRUST_S, Inputs, fingerprint, flat, inputs_of, refuse_missing
from codeio_assets.running.publishing import first_things_first, materialization_metadata
from codeio_assets.running.retries import failing_at_once
from codeio_assets.steps.result import StepResult
from codeio_assets.store import Manifest


@dataclass(slots=True)
class Stopwatch:
    """Wall and CPU seconds since it was made; CPU includes children that have ended."""

    started: float = field(default_factory=time.monotonic)
    times: os.times_result = field(default_factory=os.times)

    def read(self) -> tuple[float, float]:
        """Return (wall seconds, CPU seconds)."""
        now = os.times()
        cpu = sum(now[:4]) - sum(self.times[:4])
        return round(time.monotonic() - self.started, 3), round(cpu, 3)


@dataclass(frozen=True)
class Begun(Inputs, Generic[Used]):
    """A step that has begun: the project as it stood, the tables at fixed versions, and the record of what decides.

    `project` is for what decides nothing: folders, servers, how many workers.
    """

    step: Step[Used]
    partition: str
    project: Project
    uses: Used
    fingerprint: str
    replaces: Manifest | None
    context: dg.AssetExecutionContext
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def made_from(self) -> dict[str, Json]:
        """What decides the result besides the tables, leaf by leaf, so that a change can be told in words."""
        return flat(as_json(self.uses)) | {"code": self.step.code_version}

    @property
    def workers(self) -> int | None:
        """How many sandbox workers this machine is to have; None means one per core."""
        return self.project.settings.sandbox.workers

    def previous(self, table: str) -> pl.DataFrame:
        """Return the rows of one of the step's own tables as they were last committed, good or not."""
        own = (self.replaces,) if self.replaces else ()
        return Inputs(self.who, self.step.writes, self.warehouse, own).read(table)

    def previous_tables(self) -> dict[str, pl.DataFrame]:
        """Return all of the step's own tables as they were last committed, good or not; empty when they never were."""
        return {table: self.previous(table) for table in self.replaces.tables} if self.replaces else {}

    def publish(self, result: StepResult, extra: dict[str, dg.MetadataValue] | None = None) -> dg.MaterializeResult:
        """Commit the tables of a result in one step and return what the UI shows.

        The commit becomes live when its blocking checks have passed.

        Raises:
            StoreError: the commit failed, or another run committed meanwhile; what was there stays.
        """
        manifest = self.commit(result)
        metadata = materialization_metadata(self.step.asset, result, manifest, self.warehouse)
        wall_s, cpu_s = self.watch.read()  # streams are computed while they are written
        metadata |= {keys.WALL_TIME_S: dg.MetadataValue.float(wall_s), keys.CPU_TIME_S: dg.MetadataValue.float(cpu_s)}
        self.context.log.info(f"{self.who}: {result.items_in} in, {result.items_out} out, {wall_s} s")
        return dg.MaterializeResult(
            asset_key=self.step.asset,
            metadata=first_things_first(metadata | (extra or {})),
            data_version=dg.DataVersion(manifest.version),
        )

    def publish_companion(
        self, result: StepResult, table: str, info: dict[str, Json] | None = None
    ) -> dg.MaterializeResult:
        """Return what the UI shows of a further asset whose table is in the commit that was just published."""
        manifest = self.warehouse.standing.latest(self.step.asset, self.partition)
        assert manifest is not None, "the step must be published first"
        rows = len(result.tables[table])
        account = StepResult(result.tables, rows, rows, info=info or {})
        version = dg.DataVersion(manifest.tables[table].version)
        metadata = materialization_metadata(table, account, manifest, self.warehouse)
        return dg.MaterializeResult(asset_key=table, metadata=metadata, data_version=version)

    def commit(self, result: StepResult) -> Manifest:
        """Write the tables of a result as the step's next version, which waits for its checks.

        Raises:
            StoreError: as in `publish`.
        """
        wall_s, cpu_s = self.watch.read()
        account: dict[str, Json] = {
            "items_in": result.items_in,
            "items_out": result.items_out,
            "dropped_by_reason": result.dropped_by_reason,
            **result.info,
        }
        return self.warehouse.write(
            self.step.asset,
            self.partition,
            {**result.tables, **result.streams},
            run_id=self.context.run.run_id,
            fingerprint=self.fingerprint,
            upstream=self.upstream(),
            info={**account, "wall_time_s": wall_s, "cpu_time_s": cpu_s, "made_from": self.made_from},
            awaits_checks=True,
            replaces=self.replaces,
        )


@contextmanager
def begin(context: dg.AssetExecutionContext, step: Step[Used], project: ProjectResource) -> Generator[Begun[Used]]:
    """Fix what a step is given, for the time of its body. Errors that no retry can mend end it at once.

    Raises:
        dagster.Failure: an input has no good version, a file of the project is wrong, or there is no isolation.
    """
    with failing_at_once():
        here, partition = project.get(), partition_of(context)
        warehouse = here.open_warehouse(trust_s=TRUST_S)
        used = step.uses(here, partition)
        refuse_missing(step, partition, here, warehouse)
        given = inputs_of(step, partition, here, warehouse)
        yield Begun(
            given.who,
            given.reads,
            warehouse,
            given.manifests,
            step,
            partition,
            here,
            used,
            fingerprint(step, partition, used, given.upstream()),
            here.open_warehouse().standing.latest(step.asset, partition),
            context,
        )
