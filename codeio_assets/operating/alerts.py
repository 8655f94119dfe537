"""Alerts: runs that failed and checks that failed since the last look, told to a webhook once per look.

However many shards fail in a backfill, a look is one message. What does not live here: posting (`webhook`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from codeio_assets.core.values.canonical import Json, JsonLike
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.run_tags import PARTITION_TAG
from codeio_assets.operating.webhook import VARIABLE, post, webhook_url, without_secrets

RUNS_PER_LOOK = 100
TOLD_PER_LOOK = 20
"""Failures named in one message; the rest are counted."""
REMEMBERED = 1_000
ERROR_CHARS = 300
RETRY_TAG = "dagster/will_retry"

Failure = dict[str, Json]


@dataclass(frozen=True)
class Look:
    """What a sensor remembers: until when it has looked (UTC seconds), and the runs of late that it has seen.

    A run is touched again after its end (a tag, a retry), so the time alone would tell it twice.
    """

    until: float
    seen: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, cursor: str | None) -> "Look":
        """Return what a cursor remembers; a sensor that starts begins with now, and not with old failures."""
        if not cursor:
            return cls(datetime.now(UTC).timestamp())
        data = json.loads(cursor)
        return cls(data["until"], tuple(data["seen"]))

    def dump(self) -> str:
        """Return the cursor."""
        return json.dumps({"until": self.until, "seen": self.seen[-REMEMBERED:]})


def alert(
    context: dg.SensorEvaluationContext,
    event: str,
    failures_of: Callable[[dg.DagsterInstance, dg.DagsterRun], Iterable[Failure]],
) -> dg.SensorResult:
    """Post the failures of all runs that ended since the last look; a receiver that fails is a warning in the log."""
    url = webhook_url()
    if url is None:
        return dg.SensorResult(skip_reason=f"{VARIABLE} is not set")
    look = Look.parse(context.cursor)
    runs, after = ended_runs(context.instance, look)
    failures = [failure for run in runs for failure in failures_of(context.instance, run)]
    if failures:
        problem = post(url, payload_of(event, failures))
        if problem:
            context.log.warning(f"{len(failures)} {event} could not be told: {problem}")
    return dg.SensorResult(skip_reason=f"{len(failures)} {event} in {len(runs)} run(s)", cursor=after.dump())


def ended_runs(instance: dg.DagsterInstance, look: Look) -> tuple[list[dg.DagsterRun], Look]:
    """Return the runs that ended since a look and were not seen by it, oldest first, and the next look."""
    ended = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
        updated_after=datetime.fromtimestamp(look.until, UTC),
    )
    records = instance.get_run_records(ended, limit=RUNS_PER_LOOK, order_by="update_timestamp", ascending=True)
    until = max((record.update_timestamp.replace(tzinfo=UTC).timestamp() for record in records), default=look.until)
    new = [record.dagster_run for record in records if record.dagster_run.run_id not in look.seen]
    return new, Look(until, (*look.seen, *(run.run_id for run in new)))


def run_failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Failure]:
    """Return the failure of a run, if it failed: the step and the first line of its error, or how the run ended."""
    if run.status != dg.DagsterRunStatus.FAILURE:
        return []
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    steps = [record.event_log_entry.dagster_event for record in records]
    error = next((step.step_failure_data.error for step in steps if step), None)
    while error and error.cause:
        error = error.cause
    said = (error.message if error else _how_it_ended(instance, run)).strip().split("\n")[0]
    step = next((step.step_key for step in steps if step), None)
    return [_failure(run, step=step, error=said, will_retry=run.tags.get(RETRY_TAG) == "true")]


def _how_it_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return what Dagster said when no step failed: a worker that died, a run that could not start."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    events = (record.event_log_entry.dagster_event for record in records)
    said = [event.message for event in events if event and event.message]
    return said[-1] if said else "the run ended without an error of a step"


def check_failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Failure]:
    """Return the checks of a run that did not pass, with how many rows broke the rule."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    failures: list[Failure] = []
    for record in records:
        event = record.event_log_entry.dagster_event
        check = event.asset_check_evaluation_data if event else None
        if check and not check.passed:
            rows = check.metadata.get(keys.FAILING_ROWS)
            failures.append(
                _failure(
                    run,
                    asset=check.asset_key.to_user_string(),
                    check=check.check_name,
                    severity=check.severity.value,
                    failing_rows=rows.value if rows and isinstance(rows.value, int) else None,
                )
            )
    return failures


def _failure(run: dg.DagsterRun, **details: Json) -> Failure:
    told = {"run_id": run.run_id, "job": run.job_name, "partition": run.tags.get(PARTITION_TAG), **details}
    return {name: _told(value) for name, value in told.items()}


def _told(value: Json) -> Json:
    return without_secrets(value)[:ERROR_CHARS] if isinstance(value, str) else value


def payload_of(event: str, failures: list[Failure]) -> dict[str, JsonLike]:
    """Return the message: `text` is what chat services show, the rest is for programs."""
    lines = [_line(failure) for failure in failures[:TOLD_PER_LOOK]]
    more = len(failures) - len(lines)
    text = "\n".join([f"codeio: {len(failures)} {event}", *lines, *([f"and {more} more"] if more else [])])
    return {"text": text, "event": event, "count": len(failures), "failures": failures[:TOLD_PER_LOOK]}


def _line(failure: Failure) -> str:
    where = f"{failure.get('asset') or failure.get('step') or failure['job']}[{failure['partition'] or 'all'}]"
    what = failure.get("check") or failure.get("error")
    rows = failure.get("failing_rows")
    again = " (is tried again)" if failure.get("will_retry") else ""
    return f"- {where}: {what}{'' if rows is None else f', {rows} row(s)'}{again}, run {str(failure['run_id'])[:8]}"
