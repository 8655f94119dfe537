"""Materialising through Dagster in this process: the demo, registration of shards, what is up to date.

Runs are real Dagster runs in the project's own instance, so that the UI shows them. What does not live here: the
graph (`defs`), what up to date means (`publishing.is_current`).
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.graph.partitions import UNPARTITIONED, code_shards
from codeio_assets.graph.steps import STEPS, Step, committed_assets
from codeio_assets.operating.code_location import code_location, known_checks
from codeio_assets.operating.own_runs import fail_dead_runs, process_tags
from codeio_assets.operating.status import project_status
from codeio_assets.products.status import to_markdown
from codeio_assets.project import Project
from codeio_assets.running.publishing import is_current
from codeio_assets.store import Warehouse

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The event log keeps everything; the terminal shows a line per step."""

Say = Callable[[str], None]


def dagster_home(project: Project) -> Path:
    """Return DAGSTER_HOME of the project, made if needed, with the shipped dagster.yaml."""
    home = Path(os.environ.get("DAGSTER_HOME") or project.home / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(project.root / "dagster.yaml", home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def register_shards(project: Project) -> list[str]:
    """Register new raw files as shards, tell Dagster about all shards, and return the new keys.

    Runs of commands that were killed are cleared first.
    """
    dagster_home(project)
    new = [shard.key for shard in project.shards.register_new(project.sources, project.root)]
    with dg.DagsterInstance.get() as instance:
        fail_dead_runs(instance)
        instance.add_dynamic_partitions(str(code_shards.name), project.shards.keys())
    return new


def materialise_everything(project: Project, say: Say, recipes: Sequence[str] = ("demo",)) -> None:
    """Materialise what is out of date: every shard, then the recipes, then the report.

    Raises:
        SettingsError, RecipeError: a file of the project is wrong, or there is no such recipe.
        MaterialisationFailed: a step or a blocking check failed; what was made before stays.
    """
    started = time.monotonic()
    # a mistake in these files is told before anything is made
    _ = project.settings, [project.recipe(name) for name in recipes]
    register_shards(project)
    keys = project.shards.keys()
    say(f"{len(keys)} shards: {', '.join(keys)}")
    made = sum(_bring_up_to_date(project, "shards", key, say) for key in keys)
    made += _bring_up_to_date(project, "none", UNPARTITIONED, say, only=("instruction_data",))
    made += sum(_bring_up_to_date(project, "recipes", recipe, say) for recipe in recipes)
    made += _bring_up_to_date(project, "none", UNPARTITIONED, say, only=("quality_report", "status"))
    say(f"{made} partitions made, the rest was up to date; {time.monotonic() - started:.0f} s")
    _show_results(project, say, recipes)


def _bring_up_to_date(
    project: Project, partitioned: str, partition: str, say: Say, only: Sequence[str] | None = None
) -> int:
    """Materialise the stale assets of one partition in flow order; an unchanged output leaves the next one current."""
    made = 0
    for stage in STEPS.values():
        wanted = stage.partitioned == partitioned and (only is None or stage.asset in only)
        if wanted and not is_current(stage, partition, project, Warehouse(project.warehouse)):
            _materialise(stage, partition, project, say)
            made += 1
    return made


def _materialise(stage: Step, partition: str, project: Project, say: Say) -> None:
    started = time.monotonic()
    # The graph's own job, as when somebody materialises in the UI, so that the UI can run it again.
    graph = code_location().resolve_implicit_global_asset_job_def()
    with warnings.catch_warnings(), dg.DagsterInstance.get() as instance:
        warnings.simplefilter("ignore", dg.PreviewWarning)  # dagster 1.13 marks parts of its own calls
        result = graph.execute_in_process(
            instance=instance,
            partition_key=None if stage.partitioned == "none" else partition,
            asset_selection=[dg.AssetKey(asset) for asset in committed_assets(stage)],
            run_config=QUIET,
            raise_on_error=False,
            tags=process_tags(),
        )
    _refuse_failure(result, stage, partition)
    manifest = Warehouse(project.warehouse).manifest(stage.asset, partition)
    info = manifest.info if manifest else {}
    dropped: dict[str, int] = info.get("dropped_by_reason") or {}
    drops = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
    say(
        f"  {stage.asset}[{partition}]  {info.get('items_in')} in, {info.get('items_out')} out"
        f"{f' (dropped: {drops})' if drops else ''}  {time.monotonic() - started:.1f} s"
    )
    for check in _failed_checks(result, dg.AssetCheckSeverity.WARN):
        say(f"    warning, {check.check_name}: {check.description}")


def _refuse_failure(result: dg.ExecuteInProcessResult, stage: Step, partition: str) -> None:
    where = f"{stage.asset}[{partition}], run {result.run_id}"
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error and error.cause:
                error = error.cause
            raise MaterialisationFailed(f"{where}: {error.message.strip() if error else 'failed'}")
    failed = [check.check_name for check in _failed_checks(result, dg.AssetCheckSeverity.ERROR)]
    if failed:
        raise MaterialisationFailed(f"{where}: the check(s) {', '.join(failed)} failed; the UI shows the rows")
    if not result.success:
        raise MaterialisationFailed(f"{where}: failed; see the run in the UI (make dev)")


def _failed_checks(result: dg.ExecuteInProcessResult, severity: dg.AssetCheckSeverity) -> list[dg.AssetCheckEvaluation]:
    evaluations = result.get_asset_check_evaluations()
    return [check for check in evaluations if not check.passed and check.severity == severity]


def _show_results(project: Project, say: Say, recipes: Sequence[str]) -> None:
    warehouse = Warehouse(project.warehouse)
    say("\nFunnel")
    for row in warehouse.read("quality_report").to_dicts():
        share = "" if row["share_of_previous"] is None else f"{row['share_of_previous']:>8.1%}"
        say(f"  {row['step']:<28}{row['rows']:>10,}{share}")
    say("\nHeld-out loss (nats per completion token)")
    for recipe in recipes:
        for stage in (1, 2):
            for row in warehouse.read(f"sft_stage{stage}_checkpoint", recipe).to_dicts():
                say(f"  {recipe} stage {stage}: {_loss(row['loss_before'])} before, {_loss(row['loss_after'])} after")
                say(f"    {row['path']}")
    say("\nHeld-out functions: greedy answers judged by execution, and nats per completion token")
    for recipe in recipes:
        for line in score_lines(warehouse.read("held_out_scores", recipe).to_dicts()):
            say(f"  {recipe} {line}")
    say(f"\nTables  {warehouse.root / 'warehouse.duckdb'}")
    say(f"Report  {project.report}")
    say("UI      make dev, then http://127.0.0.1:3000")


def score_lines(scores: list[dict[str, Any]]) -> list[str]:
    """Return a line per model: what of each subject was correct, with its interval, and the loss."""
    lines: list[str] = []
    for model in dict.fromkeys(row["model"] for row in sorted(scores, key=lambda row: row["model"])):
        own = sorted((row for row in scores if row["model"] == model), key=lambda row: row["subject"])
        lines.append(f"{model:<8}{'; '.join(_score(row) for row in own)}")
    return lines


def _score(row: dict[str, Any]) -> str:
    parts = [row["subject"]]
    if row["answers"]:
        interval = f"{row['accuracy_low']:.0%} to {row['accuracy_high']:.0%}"
        parts.append(f"{row['correct']} of {row['answers']} ({interval})")
    if row["loss"] is not None:
        parts.append(f"loss {row['loss']:.4f}")
    return " ".join(parts)


def _loss(loss: float | None) -> str:
    return "no held-out rows" if loss is None else f"{loss:.4f}"


def show_status(project: Project, say: Say) -> None:
    """Say the status at one look, as the asset `status` shows it, and which partitions are out of date."""
    dagster_home(project)
    with dg.DagsterInstance.get() as instance:
        say(f"{to_markdown(project_status(project, instance, known_checks()))}\n")
    warehouse = Warehouse(project.warehouse)
    for stage in STEPS.values():
        present = {"shards": project.shards.keys(), "recipes": list(project.recipes), "none": [UNPARTITIONED]}
        made = sorted({*present[stage.partitioned]} & {*warehouse.partitions(stage.asset)})
        stale = [key for key in made if not is_current(stage, key, project, warehouse)]
        if stale:
            say(f"out of date: {stage.asset}, {len(stale)} partition(s): {', '.join(stale[:5])}")
