"""What Dagster knows about failures: partitions whose last run failed, checks that fail, and since when.

What does not live here: counting and wording (`products.status`).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.graph.run_tags import PARTITION_TAG
from codeio_assets.graph.steps import STEPS, Step, partitions_of
from codeio_assets.products.status import Expected, Overview, Problem, overview
from codeio_assets.project import Project

FAILURES_READ = 5_000


def project_status(project: Project, instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> Overview:
    """Return the status of a project: its manifests, and what Dagster's storage says about runs and checks."""
    expected = [Expected(step.asset, step.per, len(partitions_of(step.per, project))) for step in STEPS.values()]
    problems = [*failed_partitions(instance), *failing_checks(instance, checks)]
    return overview(project.open_warehouse(), expected, problems, project.sql)


def failed_partitions(instance: dg.DagsterInstance) -> list[Problem]:
    """Return the partitions that the last run that was to make them has not made, because it failed."""
    runs = _last_failed_runs(instance)
    return [
        Problem(step.asset, key, "run", "the last run failed", *runs.get(key, ("", "")))
        for step in STEPS.values()
        if runs  # else no partition can have failed, and dagster takes long to say so of each asset
        for key in _failed_keys(instance, step)
    ]


def _failed_keys(instance: dg.DagsterInstance, step: Step[object]) -> list[str]:
    if step.partitions_def is None:
        return []
    keys = step.partitions_def.get_partition_keys(dynamic_partitions_store=instance)
    found = instance.get_status_by_partition(dg.AssetKey(step.asset), keys, step.partitions_def) or {}
    return [key for key, status in found.items() if status and status.value == "FAILED"]


def _last_failed_runs(instance: dg.DagsterInstance) -> dict[str, tuple[str, str]]:
    """Return partition -> begin and id of the last run of it that failed."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    runs: dict[str, tuple[str, str]] = {}
    for record in instance.get_run_records(failed, limit=FAILURES_READ):  # newest first
        key = record.dagster_run.tags.get(PARTITION_TAG, UNPARTITIONED)
        runs.setdefault(key, (_utc(record.create_timestamp), record.dagster_run.run_id))
    return runs


def failing_checks(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> list[Problem]:
    """Return the checks whose last evaluation of a partition did not pass, warnings included."""
    storage = instance.event_log_storage
    failing: dict[dg.AssetCheckKey, set[str | None]] = defaultdict(set)
    statuses: set[Any] = set()
    for latest in storage.get_asset_check_partition_info(list(checks)):
        status = latest.latest_execution_status
        if status and status.value == "FAILED":
            failing[latest.check_key].add(latest.partition_key)
            statuses.add(status)
    problems: list[Problem] = []
    for key, partitions in failing.items():
        for record in storage.get_asset_check_execution_history(key, limit=FAILURES_READ, status=statuses):
            if record.partition in partitions:  # newest first
                partitions.discard(record.partition)
                problems.append(_failing(key, record))
    return problems


def _failing(key: dg.AssetCheckKey, record: Any) -> Problem:
    event = record.event.dagster_event if record.event else None
    check = event.asset_check_evaluation_data if event else None
    warns = check is not None and check.severity == dg.AssetCheckSeverity.WARN
    kind, what = ("warning", f"{key.name} (warning)") if warns else ("check", key.name)
    since = _utc(datetime.fromtimestamp(record.create_timestamp, UTC))
    where = record.partition or UNPARTITIONED
    return Problem(key.asset_key.to_user_string(), where, kind, what, since, record.run_id)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
