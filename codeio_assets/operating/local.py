"""Materialising through Dagster in this process: the demo, registration of shards, what is up to date.

Runs are real Dagster runs in the project's own instance, so that the UI shows them. What does not live here: the
graph (`defs`), what up to date means (`checks.registry`).
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import dagster as dg

from codeio_assets.checks.overlook import Overlook
from codeio_assets.checks.registry import Standing, rules_of, standing_of
from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.core.prompts import PromptError
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.core.tables.data import Row
from codeio_assets.graph.partitions import UNPARTITIONED, code_shards
from codeio_assets.graph.run_tags import PARTITION_TAG
from codeio_assets.graph.steps import BENCHMARK_ANSWERS, BENCHMARKED, STEPS, Per, Step, partitions_of
from codeio_assets.lifecycle.signals import signals
from codeio_assets.operating.code_location import code_location, known_checks
from codeio_assets.operating.own_runs import fail_dead_runs, process_tags
from codeio_assets.operating.status import project_status
from codeio_assets.operating.upgrading import MARK, mark_as_present, needs_upgrade, upgrade
from codeio_assets.products.status import to_markdown
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.store import StoreError, Warehouse

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The event log keeps everything; the terminal shows a line per step."""

LOOK_S = 30.0
"""Seconds for which a look at all partitions believes what it has read."""
NOT_GOOD = {"stale": "out of date", "unchecked": "not checked to the end", "failed": "refused by a check"}

INTERRUPT = "INTERRUPT"
"""The source of an error in dagster's events when a step was interrupted."""

Say = Callable[[str], None]


def dagster_home(project: Project) -> Path:
    """Return DAGSTER_HOME of the project, made if needed, with the shipped dagster.yaml."""
    home = Path(os.environ.get("DAGSTER_HOME") or project.home / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        own = project.root / "dagster.yaml"
        shutil.copyfile(own if own.is_file() else INSTALLED_ROOT / "dagster.yaml", home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def prepare(project: Project, say: Say) -> None:
    """Make Dagster's home, and bring a project of an earlier release up to date, once."""
    home = dagster_home(project)
    if needs_upgrade(project):
        say("This project was made by an earlier release.")
        for line in upgrade(project, home).told():
            say(f"  {line}")
    elif not (project.home / MARK).exists():
        mark_as_present(project)


def register_shards(project: Project, say: Say = lambda _line: None) -> list[str]:
    """Register new raw files as shards, tell Dagster about all shards, and return the new keys.

    Runs of commands that were killed are cleared first.
    """
    prepare(project, say)
    new = [shard.key for shard in project.shards.register_new(project.sources, project.root, say)]
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
    register_shards(project, say)
    keys = project.shards.keys()
    say(f"{len(keys)} shards: {', '.join(keys)}")
    made = sum(bring_up_to_date(project, "shard", key, say) for key in keys)
    made += bring_up_to_date(project, "project", UNPARTITIONED, say, only=("instruction_data",))
    made += sum(bring_up_to_date(project, "benchmark", name, say) for name in partitions_of("benchmark", project))
    made += sum(bring_up_to_date(project, "recipe", recipe, say) for recipe in recipes)
    made += bring_up_to_date(project, "project", UNPARTITIONED, say, only=("results", "quality_report", "status"))
    project.open_warehouse().refresh_views()
    say(f"{made} partitions made, the rest was up to date; {time.monotonic() - started:.0f} s")
    _show_results(project, say, recipes)


def evaluate_recipe(
    project: Project, recipe: str, say: Say, benchmarks: Sequence[str] = (), limit: int | None = None
) -> int:
    """Ask a trained recipe's models the benchmarks of benchmarks.yaml, score them, and make the table; what is stale.

    `benchmarks` and `limit` say what is asked in this run instead; other answers that are there stay in the table.

    Raises:
        SettingsError, RecipeError: a file of the project is wrong, or there is no such recipe.
        MaterialisationFailed: a step or a blocking check failed; what was made before stays.
    """
    _ = project.recipe(recipe)
    prepare(project, say)
    with dg.DagsterInstance.get() as instance:
        fail_dead_runs(instance)  # a killed one would keep its place in the pool
    names = benchmarks or partitions_of("benchmark", project)
    made = sum(bring_up_to_date(project, "benchmark", name, say) for name in names)
    if benchmarks or limit:
        _materialise(BENCHMARK_ANSWERS, recipe, project, say, {"benchmarks": list(benchmarks), "limit": limit or 0})
        made += 1
    else:
        made += bring_up_to_date(project, "recipe", recipe, say, only=(BENCHMARK_ANSWERS.asset,))
    others = [asset for asset in BENCHMARKED if asset != BENCHMARK_ANSWERS.asset]
    made += bring_up_to_date(project, "recipe", recipe, say, only=others)
    made += bring_up_to_date(project, "project", UNPARTITIONED, say, only=("results",))
    project.open_warehouse().refresh_views()
    return made


def benchmark_lines(project: Project, recipe: str) -> list[str]:
    """Return a line per benchmark: what a recipe's models scored, with the intervals, on how many questions."""
    scores = project.open_warehouse().read("benchmark_scores", recipe).sort("benchmark", "model")
    lines: list[str] = []
    for (name,), group in scores.group_by(["benchmark"], maintain_order=True):
        rows = group.to_dicts()
        told = (f"{row['model']} {row['value']:.1f} ({row['low']:.0f} to {row['high']:.0f})" for row in rows)
        lines.append(f"  {name:<18}{', '.join(told)}; {max(row['questions'] for row in rows):,} question(s)")
    return lines


def bring_up_to_date(project: Project, per: Per, partition: str, say: Say, only: Sequence[str] | None = None) -> int:
    """Materialise the stale assets of one partition in flow order; an unchanged output leaves the next one current.

    What was made and not checked to the end, or refused by a check, is checked again first: nothing is made of it.
    """
    made = 0
    for step in STEPS.values():
        if step.per != per or (only is not None and step.asset not in only):
            continue
        standing = standing_of(step, partition, project, project.open_warehouse())
        if standing.state in ("missing", "stale"):
            _materialise(step, partition, project, say)
            made += 1
        elif standing.state != "good":
            _check_again(step, partition, project, say)
    return made


def _materialise(
    step: Step[object], partition: str, project: Project, say: Say, config: Mapping[str, object] | None = None
) -> None:
    started = time.monotonic()
    result = _execute(step, partition, assets=[dg.AssetKey(asset) for asset in step.makes], config=config)
    _refuse_failure(result, step, partition)
    manifest = project.open_warehouse().manifest(step.asset, partition)
    info = manifest.info if manifest else {}
    dropped = cast("dict[str, int]", info.get("dropped_by_reason") or {})
    drops = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
    say(
        f"  {step.asset}[{partition}]  {info.get('items_in')} in, {info.get('items_out')} out"
        f"{f' (dropped: {drops})' if drops else ''}  {time.monotonic() - started:.1f} s"
    )
    for check in _failed_checks(result, dg.AssetCheckSeverity.WARN):
        say(f"    warning, {check.check_name}: {check.description}")


def _check_again(step: Step[object], partition: str, project: Project, say: Say) -> None:
    keys = [dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in rules_of(project.sql_folder, step)]
    result = _execute(step, partition, checks=keys)
    _refuse_failure(result, step, partition)
    say(f"  {step.asset}[{partition}]  checked again, {len(keys)} checks passed")


def _execute(
    step: Step[object],
    partition: str,
    assets: Sequence[dg.AssetKey] = (),
    checks: Sequence[dg.AssetCheckKey] | None = None,
    config: Mapping[str, object] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a part of the graph's own job, as when somebody materialises in the UI, so that the UI can run it again."""
    graph = code_location().resolve_implicit_global_asset_job_def()
    chosen = graph.get_subset(
        asset_selection=frozenset(assets), asset_check_selection=None if checks is None else frozenset(checks)
    )
    # dagster 1.13 finds no partitions in a selection of checks alone, so these runs name theirs by the tag
    key = partition if assets and step.per != "project" else None
    tag = {PARTITION_TAG: partition} if not assets and step.per != "project" else {}
    with warnings.catch_warnings(), dg.DagsterInstance.get() as instance:
        warnings.simplefilter("ignore", dg.PreviewWarning)  # dagster 1.13 marks parts of its own calls
        result = chosen.execute_in_process(
            instance=instance,
            partition_key=key,
            run_config=QUIET | ({"ops": {step.asset: {"config": dict(config)}}} if config else {}),
            raise_on_error=False,
            tags=process_tags() | tag,
        )
    _refuse_interruption(result)
    return result


def _refuse_interruption(result: dg.ExecuteInProcessResult) -> None:
    """Raise what dagster keeps to itself: that the run was interrupted, or that a signal came between its steps.

    Raises:
        KeyboardInterrupt: with what the interrupted step leaves behind as notes.
    """
    steps = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    interrupted = [data.error for data in steps if data.error_source.name == INTERRUPT]
    if not interrupted and not signals.came():
        return
    stopped = KeyboardInterrupt()
    for error in interrupted:
        for note in error.message.strip().splitlines()[1:] if error else ():
            stopped.add_note(note)
    stopped.add_note("what was made stays, and the same command goes on from there")
    raise stopped


def _refuse_failure(result: dg.ExecuteInProcessResult, step: Step[object], partition: str) -> None:
    where = f"{step.asset}[{partition}], run {result.run_id}"
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
    warehouse = project.open_warehouse()
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
    say("\nBenchmarks, in percent: of a few questions, so that the numbers mean nothing (docs/evaluation.md)")
    for recipe in recipes:
        for line in benchmark_lines(project, recipe):
            say(line)
    say(f"\nTables  {warehouse.root / 'warehouse.duckdb'}")
    say(f"Report  {project.report}")
    say(f"Results {project.report.parent / 'results.html'}")
    say("UI      make dev, then http://127.0.0.1:3000")


def score_lines(scores: list[Row]) -> list[str]:
    """Return a line per model: what of each subject was correct, with its interval, and the loss."""
    lines: list[str] = []
    for model in dict.fromkeys(row["model"] for row in sorted(scores, key=lambda row: row["model"])):
        own = sorted((row for row in scores if row["model"] == model), key=lambda row: row["subject"])
        lines.append(f"{model:<8}{'; '.join(_score(row) for row in own)}")
    return lines


def _score(row: Row) -> str:
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
    prepare(project, say)
    with dg.DagsterInstance.get() as instance:
        say(f"{to_markdown(project_status(project, instance, known_checks(project)))}\n")
    warehouse = project.open_warehouse(trust_s=LOOK_S)
    overlook = Overlook(project, warehouse)
    for step in STEPS.values():
        others = _not_good(step, project, warehouse, overlook)
        if others:
            first = _standing(step, others[0], project, warehouse)
            if first.state not in NOT_GOOD:  # it was made meanwhile
                continue
            say(f"{NOT_GOOD[first.state]}: {step.asset}, {len(others)} partition(s): {', '.join(others[:5])}")
            say(f"    {others[0]}: {first.why}")


def _not_good(step: Step[object], project: Project, warehouse: Warehouse, overlook: Overlook) -> list[str]:
    """Return the partitions of a step that were made and are not good."""

    def stands(key: str) -> bool:
        return _standing(step, key, project, warehouse).state in ("missing", "good")

    if step.per != "shard":
        return [key for key in partitions_of(step.per, project) if not stands(key)]
    try:
        states = [*overlook.states(step)]
    except (SettingsError, RecipeError, PromptError, KeyError):  # of some shard's source: each is asked for itself
        states = [(key, None) for key in project.shards.keys()]  # noqa: SIM118  (a registry)
    return [key for key, state in states if (not stands(key) if state is None else state not in ("missing", "good"))]


def _standing(step: Step[object], partition: str, project: Project, warehouse: Warehouse) -> Standing:
    try:
        return standing_of(step, partition, project, warehouse)
    except (SettingsError, RecipeError, PromptError, StoreError) as error:
        return Standing("stale", str(error))
