"""The commands about language models: the journal of responses, and what a backfill will cost."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from codeio_assets.core.method.revision import NEEDS_REVISION
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.llm import Journal
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.llm.journal.lines import Recorded
from codeio_assets.llm.journal.segments import FolderSegments, Segments
from codeio_assets.llm.journal.upkeep import UpkeepReport, merge, prune, segment_summaries
from codeio_assets.llm.session import prices_of
from codeio_assets.products.estimate import Estimate, Estimator, Experience, ShardRows
from codeio_assets.project import Project
from codeio_assets.store import Warehouse

app = typer.Typer()
journal = typer.Typer(no_args_is_help=True, help="List, verify, export, prune and merge the recorded responses.")
app.add_typer(journal, name="journal")

Folder = Annotated[Path | None, typer.Option("--folder", help="a journal; default the project's own of live models")]
STEP_OF = {"unified_functions": "transform", "predictions": "predict", "revised_predictions": "revise"}
ASKED = ("transform_attempts", "predictions", "revised_predictions")


def _segments(folder: Path | None) -> Segments:
    return FolderSegments(folder) if folder else Project.find().chat_folders.live_segments()


@journal.command("list")
def list_segments(folder: Folder = None) -> None:
    """List the segments of the journal: records, size, time, models, and whether a process is writing to it."""
    total = size = 0
    segments = _segments(folder)
    for segment in segment_summaries(segments):
        models = ", ".join(f"{model} {count:,}" for model, count in segment.models.items()) or "empty"
        state = "  in use" if segment.is_in_use else ""
        bad = f"  {segment.corrupt} corrupt" if segment.corrupt else ""
        when = f"{segment.first_at[:16]} to {segment.last_at[:16]}" if segment.first_at else ""
        typer.echo(f"{segment.name}  {segment.records:,} ({models})  {segment.size_bytes:,} bytes  {when}{bad}{state}")
        total, size = total + segment.records, size + segment.size_bytes
    typer.echo(f"{total:,} records, {size:,} bytes in {segments.where()}")


@journal.command()
def verify(folder: Folder = None) -> None:
    """Read every line, check sums and keys; exit code 1 when something is wrong."""
    report = Journal.of(_segments(folder)).verify()
    for problem in report.problems:
        typer.echo(problem)
    typer.echo(
        f"{report.records:,} responses in {report.segments} segment(s); {report.duplicates} recorded twice, "
        f"{report.corrupt} corrupt, {report.torn_tails} torn at the end by a kill"
    )
    if not report.is_sound:
        raise typer.Exit(1)


@journal.command()
def export(
    target: Annotated[Path, typer.Argument(help="JSONL file to write; a folder that holds it is a journal")],
    everything: Annotated[bool, typer.Option("--all", help="also what no table rests on")] = False,
    folder: Folder = None,
) -> None:
    """Write the responses that the present tables rest on, or all, as one compact file."""
    project = Project.find()
    source = Journal(folder) if folder else project.chat_folders.open_journal(project.settings.chat)
    count = source.export(target, None if everything else referenced_keys(Project.find()))
    typer.echo(f"{count} responses in {target}")


@journal.command("prune")
def prune_records(
    older_than_days: Annotated[float | None, typer.Option(min=0, help="remove what is older")] = None,
    model: Annotated[str | None, typer.Option(help="remove what this model answered")] = None,
    unreferenced: Annotated[bool, typer.Option("--unreferenced", help="remove what no table rests on")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    folder: Folder = None,
) -> None:
    """Remove responses that meet all conditions given; at least one is needed. They cost again when asked again."""
    if older_than_days is None and model is None and not unreferenced:
        raise typer.BadParameter("say what to remove: --older-than-days, --model or --unreferenced")
    conditions: list[Callable[[Recorded], bool]] = []
    if older_than_days is not None:
        limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 86_400 * older_than_days))
        conditions.append(lambda recorded: recorded.response.created_at[:19] < limit)
    if model is not None:
        conditions.append(lambda recorded: recorded.request.model == model)
    if unreferenced:
        named = referenced_keys(Project.find())
        conditions.append(lambda recorded: recorded.response.key not in named)
    report = prune(_segments(folder), lambda recorded: not all(met(recorded) for met in conditions), dry_run=dry_run)
    _tell("would remove" if dry_run else "removed", report)


@journal.command("merge")
def merge_segments(
    others: Annotated[list[Path] | None, typer.Argument(help="folders of journals to take over")] = None,
    folder: Folder = None,
) -> None:
    """Put the segments into one, and take over the records of other journals; an answer that counts stays."""
    for other in others or ():
        if not other.is_dir():
            raise typer.BadParameter(f"{other} is no folder")
    _tell("dropped", merge(_segments(folder), others or ()))


def _tell(word: str, report: UpkeepReport) -> None:
    typer.echo(
        f"{report.kept:,} responses kept, {word} {report.removed:,}; {report.segments_before} segments before, "
        f"{report.segments_after} after" + (f", {report.in_use} in use and left alone" if report.in_use else "")
    )


def referenced_keys(project: Project) -> set[str]:
    """Return the keys of the responses that the present tables name."""
    warehouse = project.open_warehouse()
    keys = {key for table in ASKED for key in warehouse.read(table, columns=["request_key"]).to_series().to_list()}
    labels = warehouse.read("file_labels", columns=["request_keys_json"]).to_series().to_list()
    return keys.union(*map(json.loads, labels))


@app.command()
def estimate(
    shards: Annotated[str, typer.Option(help="keys, comma-separated; default all, new files included")] = "",
) -> None:
    """Predict requests, tokens, cost and hours of what the steps that ask a model still have to ask."""
    from codeio_assets.operating.local import register_shards

    project = Project.find()
    keys = [key.strip() for key in shards.split(",") if key.strip()]
    if not keys:
        register_shards(project, lambda line: typer.echo(line, err=True))
        keys = project.shards.keys()
    if not keys:
        raise SettingsError(
            "sources.yaml gives no shard: its sources hold no file. `codeio shards` tells what is found."
        )
    warehouse = project.open_warehouse()
    recorded = project.chat_folders.open_journal(project.settings.chat)
    chat = project.settings.chat

    def is_recorded(request: ChatRequest) -> bool:
        return request.key in recorded

    estimator = Estimator(
        chat, project.prompt("transform"), experience_of(warehouse, chat.model), is_recorded, prices_of(chat)
    )
    rows = [line for key in keys for line in estimator.shard(shard_rows(project, warehouse, key))]
    _show(rows, chat.currency, throughput_of(warehouse, chat.model))


def shard_rows(project: Project, warehouse: Warehouse, shard: str) -> ShardRows:
    """Return what is there of a shard."""

    def made(asset: str) -> pl.DataFrame | None:
        return warehouse.read(asset, shard) if warehouse.manifest(asset, shard) else None

    return ShardRows(
        shard,
        files=len(project.shards.load(shard).items),
        eligible=made("eligible_code_files"),
        functions=made("unified_functions"),
        tasks=made("prediction_tasks"),
        verdicts=made("verdicts"),
        revised=warehouse.manifest("revised_predictions", shard) is not None,
        samples=_samples_at_hand(warehouse, shard),
        pairs_per_function=project.source(shard.rsplit("-", 1)[0]).pairs_per_function,
    )


def _samples_at_hand(warehouse: Warehouse, shard: str) -> int:
    if warehouse.manifest("pass_rates", shard) is None:
        return 0
    return warehouse.read("sampled_answers", shard, columns=["sample"])["sample"].n_unique()


def experience_of(warehouse: Warehouse, model: str) -> Experience:
    """Return the averages of what is there; answers of other models count only when the model has none."""

    def answers(table: str, *more: str) -> pl.DataFrame:
        frame = warehouse.read(table, columns=[*more, "model_id", "prompt_tokens", "completion_tokens"])
        own = frame.filter(pl.col("model_id") == model)
        return own if len(own) else frame

    statuses = warehouse.read("verdicts", columns=["status"])["status"]
    wrong = statuses.is_in(sorted(NEEDS_REVISION)).mean()
    attempts = answers("transform_attempts", "file_id")
    return Experience(
        attempts=attempts,
        predictions=answers("predictions"),
        revisions=answers("revised_predictions"),
        functions=len(warehouse.read("unified_functions", columns=["function_id"])),
        files=attempts["file_id"].n_unique(),
        tasks=len(warehouse.read("prediction_tasks", columns=["task_id"])),
        wrong_ratio=float(wrong) if isinstance(wrong, float) else None,
        cached_ratios=cached_ratios_of(warehouse, model),
    )


def cached_ratios_of(warehouse: Warehouse, model: str) -> dict[str, float]:
    """Return step -> the share of prompt tokens that came from the server's cache in what a model was asked so far."""
    usage = warehouse.read("model_usage").filter(pl.col("model_id") == model)
    sums = (
        usage.group_by("asset").agg(pl.col("prompt_tokens", "cached_tokens").sum()).filter(pl.col("prompt_tokens") > 0)
    )
    return {STEP_OF[asset]: cached / prompt for asset, prompt, cached in sums.iter_rows() if asset in STEP_OF}


def throughput_of(warehouse: Warehouse, model: str) -> float | None:
    """Return the completion tokens per second that runs of a model had; None when there was none."""
    usage = warehouse.read("model_usage").filter(pl.col("model_id") == model)
    seconds = float(usage["wall_time_s"].sum())
    return float(usage["completion_tokens"].sum()) / seconds if seconds else None


def _show(rows: list[Estimate], currency: str, rate: float | None) -> None:
    head = f"{'shard':<28}{'step':<11}{'requests':>9}{'recorded':>9}{'prompt tok':>12}{'cached':>12}{'answer tok':>12}"
    typer.echo(f"{head}{currency:>10}  basis")
    for row in rows:
        typer.echo(
            f"{row.shard:<28}{row.step:<11}{row.requests:>9,}{row.recorded:>9,}{row.prompt_tokens:>12,}"
            f"{row.cached_tokens:>12,}{row.completion_tokens:>12,}{row.cost:>10.2f}  {row.basis}"
        )
    prompt, answer = sum(row.prompt_tokens for row in rows), sum(row.completion_tokens for row in rows)
    cached = sum(row.cached_tokens for row in rows)
    missing = sum(row.requests - row.recorded for row in rows)
    cost = sum(row.cost for row in rows)
    hours = f"{answer / rate / 3_600:.2f} h at {rate:,.0f} tokens/s" if rate else "hours unknown: no run of it yet"
    typer.echo(
        f"{missing:,} requests to send, {prompt:,} prompt tokens ({cached:,} of them should be cached) and "
        f"{answer:,} answer tokens, {cost:.2f} {currency}; {hours}"
    )
