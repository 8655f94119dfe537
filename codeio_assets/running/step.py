"""A step from beginning to commit: what it was given when it began is what its result is signed with.

`begin` reads the project once, fixes the versions of the declared tables and the record of what else decides, and the
fingerprint over both; the body gets these, and `publish` uses nothing else. What does not live here: what is read
(`running.inputs`), what the UI shows of a commit (`running.publishing`), checks (`checks`).
"""

import os
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic

import dagster as dg
import polars as pl

from codeio_assets.core.errors import NotReadyError
from codeio_assets.core.values.canonical import Json, JsonLike
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.graph.records import as_json
from codeio_assets.graph.run_tags import PROCESS_TAG
from codeio_assets.graph.steps import STEPS, Step, Used
from codeio_assets.lifecycle.heartbeat import Heartbeat
from codeio_assets.project import Project
from codeio_assets.resources.engines import ProjectResource
from codeio_assets.running.inputs import TRUST_S, Inputs, fingerprint, flat, inputs_of, refuse_missing
from codeio_assets.running.publishing import first_things_first, materialization_metadata
from codeio_assets.running.retries import ending_well
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
    beat: Heartbeat
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def made_from(self) -> dict[str, Json]:
        """What decides the result besides the tables, leaf by leaf, so that a change can be told in words."""
        return flat(as_json(self.uses)) | {"code": self.step.code_version}

    def tell(self, state: str) -> None:
        """Say how far the step is; people hear it when it is time."""
        self.beat.tell(state)

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

    def publish(
        self, result: StepResult, extra: dict[str, dg.MetadataValue] | None = None
    ) -> dg.MaterializeResult[Any]:
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
        self, result: StepResult, table: str, info: Mapping[str, JsonLike] | None = None
    ) -> dg.MaterializeResult[Any]:
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
        account: dict[str, JsonLike] = {
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
            read=[manifest for manifest in self.manifests if _is_awaited(manifest, self.step)],
        )


def _is_awaited(manifest: Manifest, step: Step[object]) -> bool:
    """Tell whether a step's result is worth nothing once this input is another: not so of a look at all shards.

    Somebody always works on some shard; who reads all of them is signed with what they were, and out of date.
    """
    made_by = STEPS.get(manifest.asset)
    return made_by is not None and made_by.per in (step.per, "project")


@contextmanager
def begin(
    context: dg.AssetExecutionContext,
    step: Step[Used],
    project: ProjectResource,
    narrowed: Callable[[Used], Used] = lambda used: used,
) -> Generator[Begun[Used]]:
    """Fix what a step is given, for the time of its body, and tell that it lives; end it as its error asks for.

    `narrowed` changes what decides, for this run: what is made is signed with that, and out of date beside the whole.

    Raises:
        dagster.Failure: an input has no good version, a file of the project is wrong, or there is no isolation.
        dagster.RetryRequested: a step that takes a server, the sandbox or a GPU failed in a way that may pass.
    """
    partition = partition_of(context)
    shown = sys.stderr if PROCESS_TAG in context.run.tags else None  # other runs are looked at in the UI
    beat = Heartbeat(f"{step.asset}[{partition}]", shown, context.log.info)
    with ending_well(context, tried_again=step.pool is not None), beat:
        here = project.get()
        warehouse = here.open_warehouse(trust_s=TRUST_S)
        used = narrowed(step.uses(here, partition))
        refuse_missing(step, partition, here, warehouse)
        given = inputs_of(step, partition, here, warehouse)
        signature = fingerprint(step, partition, used, given.upstream())
        last = here.open_warehouse().standing.latest(step.asset, partition)
        if context.retry_number and last and last.fingerprint == signature and last.run_id != context.run.run_id:
            raise NotReadyError(
                f"{given.who} was made of the same by run {last.run_id} meanwhile: nothing is left to do."
            )
        yield Begun(
            given.who,
            given.reads,
            warehouse,
            given.manifests,
            step,
            partition,
            here,
            used,
            signature,
            last,
            context,
            beat,
        )
