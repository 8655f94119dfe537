"""The command that asks models the questions of benchmarks: those of a recipe, or any model behind a server."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codeio_assets.batch.lines import BadInput
from codeio_assets.llm import Journal, OpenAIChatClient
from codeio_assets.llm.contract import Sampling

if TYPE_CHECKING:
    from codeio_assets.evaluation.running import Outcome

app = typer.Typer()


@app.command()
def evaluate(
    *,
    recipe: Annotated[
        str | None, typer.Argument(help="a trained recipe of the project, as benchmarks.yaml says")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="or the URL of a server, up to and with /v1")] = None,
    name: Annotated[str | None, typer.Option("--name", help="what the server calls the model")] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder with the benchmarks' data, in their authors' formats")
    ] = None,
    out_dir: Annotated[Path | None, typer.Option(help="folder for answers, table, and the journal of answers")] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="repeat for several; default all whose data is there, or as benchmarks.yaml says"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="so many questions of each benchmark, drawn by hash")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens of an answer at most; default 2,048")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="requests in flight; default 8")] = None,
    timeout_s: Annotated[float | None, typer.Option(min=1, help="of one request; default 600")] = None,
) -> None:
    """Ask a recipe's models, or any model behind a server, the paper's benchmarks, and write their rows of its table.

    What was answered is kept: the same command goes on from there, and asks nothing twice. Of a recipe, --benchmark and
    --limit say what is asked now; answers to other questions stay.
    """
    from codeio_assets.batch.scoring import benchmark_named

    names = [benchmark_named(each).name for each in benchmark or ()]
    if (recipe is None) == (model is None):
        raise BadInput("give a recipe, or --model with the URL of a server")
    if recipe is not None:
        if not (name is data is out_dir is max_tokens is concurrency is timeout_s is None):
            raise BadInput(
                "--name, --data, --out-dir, --max-tokens, --concurrency, --timeout-s go with --model, not a recipe"
            )
        _evaluate_recipe(recipe, names, limit)
        return
    if name is None or data is None or out_dir is None:
        raise BadInput("--model needs --name, --data and --out-dir")
    asked = _Asked(names, limit, max_tokens or 2_048, concurrency or 8, timeout_s or 600.0)
    _evaluate_server(str(model), name, data, out_dir, asked)


@dataclass(frozen=True)
class _Asked:
    """Which questions, and how."""

    benchmarks: list[str]
    limit: int | None
    max_tokens: int
    concurrency: int
    timeout_s: float


def _evaluate_recipe(recipe: str, benchmarks: list[str], limit: int | None) -> None:
    from codeio_assets.operating.local import benchmark_lines, evaluate_recipe
    from codeio_assets.project import Project

    project = Project.find()
    evaluate_recipe(project, recipe, typer.echo, benchmarks, limit)
    typer.echo("\n".join([*benchmark_lines(project, recipe), f"table in {project.report.parent / 'results.html'}"]))


def _evaluate_server(url: str, name: str, data: Path, out_dir: Path, asked: _Asked) -> None:
    from codeio_assets.benchmarks.contract import BadBenchmarkData
    from codeio_assets.evaluation import running
    from codeio_assets.evaluation.scoring import Scorer
    from codeio_assets.sandbox import open_sandbox
    from codeio_assets.sandbox.pool import default_workers

    names = asked.benchmarks or running.present(data)
    if not names:
        raise BadInput(f"{data}: has the data of no benchmark; docs/evaluation.md says where to get it")
    scorer = Scorer(lambda limits: open_sandbox(limits), default_workers())
    journal = Journal(out_dir / "journal")
    client = OpenAIChatClient(url, name, journal, concurrency=asked.concurrency, timeout_s=asked.timeout_s)
    try:
        questions = running.available(data, names, asked.limit)
        sampling = Sampling(temperature=0.0, max_tokens=asked.max_tokens)
        outcomes = running.evaluate(client, questions, scorer, sampling, _tell)
    except BadBenchmarkData as error:
        raise BadInput(str(error)) from None
    except KeyboardInterrupt as stopped:
        stopped.add_note("what was answered stays, and the same command goes on from there")
        raise
    finally:
        scorer.close()
        journal.close()
    running.write(out_dir, name, outcomes)
    typer.echo(f"answers and table in {out_dir}")


def _tell(outcome: "Outcome") -> None:
    """Say how a benchmark went."""
    cell = outcome.cell
    if cell is None or cell.low is None or cell.high is None:
        typer.echo(f"{outcome.benchmark.title}: no answer could be scored")
        return
    shares = f"no answer {cell.no_answer_ratio or 0:.0%}, truncated {cell.truncated_ratio or 0:.0%}"
    interval = f"95% {cell.low:.1f} to {cell.high:.1f}"
    typer.echo(f"{outcome.benchmark.title}: {cell.value:.1f} ({interval}; {cell.n_questions} questions, {shares})")
