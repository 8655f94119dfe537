"""The commands about training sets: export, lineage, and what changed between two builds."""

from pathlib import Path
from typing import Annotated

import typer

from codeio_assets.batch.lines import BadInput
from codeio_assets.core.tables.data import SPLITS
from codeio_assets.core.values.decoding import printable
from codeio_assets.products.diff import changed_partitions, compare, find_snapshot, snapshots_of
from codeio_assets.products.export import export_training_set, push
from codeio_assets.products.export_rl import AUDITED, RlExport, export_rl
from codeio_assets.products.export_verifiers import PACKAGE, export_verifiers
from codeio_assets.products.rl_card import RlFacts
from codeio_assets.products.rl_rows import RlChoice
from codeio_assets.products.trace import trace_item
from codeio_assets.project import Project, browser_url
from codeio_assets.rewards import RewardJudge
from codeio_assets.sandbox import Limits
from codeio_assets.steps.training_sets import Assembly
from codeio_assets.store import Snapshot

app = typer.Typer()
Workers = Annotated[int | None, typer.Option(min=1, help="one per core when not given")]
To = Annotated[Path, typer.Option(help="a folder that does not exist yet, or is empty")]
Taking = Annotated[str | None, typer.Option(help="takes what it would train on; everything when not given")]
Sides = Annotated[list[str] | None, typer.Option(help="train, validation or test; may be repeated")]
Difficulty = Annotated[tuple[float, float] | None, typer.Option(help="lowest and highest pass rate, e.g. 0.1 0.9")]
RatedModel = Annotated[str, typer.Option(help="whose pass rates count; those of all models when not given")]
Steps = Annotated[bool, typer.Option("--steps", help="with questions about single steps of executions")]
Audited = Annotated[int, typer.Option(min=0, help="known answers that are executed and judged again")]
Name = Annotated[str, typer.Argument(metavar="RECIPE", help="name of a file in recipes/, without .yaml")]


@app.command()
def export(
    recipe: Name,
    to: To,
    push_to: Annotated[str | None, typer.Option(help="dataset repository of a hub; the token is HF_TOKEN")] = None,
) -> None:
    """Write a training set as Parquet and JSONL with a dataset card; `datasets.load_dataset` opens the folder."""
    project = Project.find()
    folder = export_training_set(project.open_warehouse(), project.recipe(recipe), project.sql, to)
    typer.echo(f"{recipe} in {folder}")
    if push_to:
        typer.echo(push(folder, push_to))


@app.command("export-rl")
def export_rl_(
    *,
    to: To,
    recipe: Taking = None,
    split: Sides = None,
    difficulty: Difficulty = None,
    model: RatedModel = "",
    steps: Steps = False,
    audit: Audited = AUDITED,
    workers: Workers = None,
) -> None:
    """Write tasks for reinforcement learning as Parquet with a dataset card, for TRL, verl and `datasets`."""
    project = Project.find()
    export = _rl_export(project, recipe, audit, _choice(split, difficulty, model, steps))
    with _reward_judge(project, workers) as judge:
        facts = export_rl(project.open_warehouse(), export, project.sql, judge, to)
    _tell(facts, to)


@app.command("export-verifiers")
def export_verifiers_(
    *,
    to: To,
    name: Annotated[str, typer.Option(help="of the package")] = PACKAGE,
    recipe: Taking = None,
    split: Sides = None,
    difficulty: Difficulty = None,
    model: RatedModel = "",
    steps: Steps = False,
    audit: Audited = AUDITED,
    workers: Workers = None,
) -> None:
    """Write tasks as a package that Prime Intellect's `verifiers` installs: load, reward and validate."""
    project = Project.find()
    export = _rl_export(project, recipe, audit, _choice(split, difficulty, model, steps))
    with _reward_judge(project, workers) as judge:
        facts = export_verifiers(project.open_warehouse(), export, project.sql, judge, to, package=name)
    _tell(facts, to)


def _tell(facts: RlFacts, to: Path) -> None:
    typer.echo(f"{facts.tasks:,} tasks in {to}; {facts.audited:,} known answers judged again, all right")


def _choice(splits: list[str] | None, difficulty: tuple[float, float] | None, model: str, steps: bool) -> RlChoice:
    unknown = sorted(set(splits or ()) - set(SPLITS))
    if unknown:
        raise BadInput(f"--split {unknown[0]}: there is no such side. Take {', '.join(SPLITS)}.")
    if difficulty and not 0 <= difficulty[0] <= difficulty[1] <= 1:
        raise BadInput(f"--difficulty {difficulty[0]:g} {difficulty[1]:g}: give a lowest and a highest share, 0 to 1.")
    return RlChoice(splits or tuple(SPLITS), difficulty, model, steps)


def _rl_export(project: Project, recipe: str | None, audited: int, choice: RlChoice) -> RlExport:
    settings = project.settings
    taking = project.recipe(recipe) if recipe else None
    leakage = project.benchmarks.leakage
    return RlExport(taking, settings.phrases, settings.split, project.prompt, leakage, choice, audited)


def _reward_judge(project: Project, workers: int | None) -> RewardJudge:
    settings = project.settings.sandbox
    limits = Limits(cpu_s=settings.cpu_s, wall_s=settings.wall_s, memory_mib=settings.memory_mib)
    return RewardJudge(limits=limits, workers=workers or settings.workers, isolation=settings.isolation)


@app.command()
def verify() -> None:
    """Read every file of every table, also of pinned builds, against its sha256; exit code 1 when one is damaged."""
    report = Project.find().open_warehouse().verify()
    for problem in report.problems:
        typer.echo(problem)
    typer.echo(
        f"{report.files:,} files, {report.bytes / 2**20:,.1f} MiB: "
        + (f"{len(report.problems)} damaged" if report.problems else "all as they were written")
    )
    if report.problems:
        raise typer.Exit(1)


@app.command()
def trace(
    item_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="of a sample, prediction, verdict, task, pair, function or file, or its beginning"
        ),
    ],
) -> None:
    """Tell the way from an item to its file: task, pair, function, file, responses, models, verdicts, versions."""
    project = Project.find()
    for line in trace_item(project.open_warehouse(), project.sql("lineage/trace.sql"), item_id):
        typer.echo(printable(line))
    typer.echo(f"in the browser: {browser_url()}/find?id={item_id}")


@app.command()
def snapshots(recipe: Name) -> None:
    """List the builds of a training set whose inputs are kept; `codeio unpin` lets go of one."""
    for name, snapshot_id in snapshots_of(Project.find().open_warehouse(), recipe).items():
        typer.echo(f"{snapshot_id[:12]}  {name}")


@app.command()
def unpin(name: Annotated[str, typer.Argument(help="as listed by `codeio snapshots`")]) -> None:
    """Let go of the inputs of a build, so that `codeio gc` may remove what nothing else names."""
    Project.find().open_warehouse().unpin(name)


@app.command()
def diff(
    recipe: Name,
    snapshot: Annotated[tuple[str, str], typer.Option(help="two ids, or their beginnings: before and after")],
) -> None:
    """Tell what changed between two builds of a training set and why, under the present recipe."""
    project = Project.find()
    warehouse, of = project.open_warehouse(), project.recipe(recipe)
    before, after = (find_snapshot(warehouse, recipe, wanted) for wanted in snapshot)

    def assembly_of(read: Snapshot) -> Assembly:
        settings = project.settings
        return Assembly.of(
            of,
            warehouse,
            read,
            project.sql,
            phrases=settings.phrases,
            split=settings.split,
            prompt=project.prompt,
            leakage=project.benchmarks.leakage,
        )

    typer.echo("Inputs")
    for asset, counts in changed_partitions(before, after).items():
        typer.echo(f"  {asset:<24}{', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}")
    typer.echo("Samples")
    for change in compare(assembly_of, before, after, project.sql("lineage/diff.sql")):
        where = f"stage {change.stage}"
        typer.echo(f"  {change.what:<9}{where:<9}{change.count:>10,}  {change.why}  (e.g. {change.example[:16]})")
