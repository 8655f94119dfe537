"""The command that asks a model the questions of benchmarks, without Dagster and without a project."""

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
    model: Annotated[str, typer.Option("--model", help="URL of a server, up to and with /v1")],
    name: Annotated[str, typer.Option("--name", help="what the server calls the model")],
    data: Annotated[Path, typer.Option(help="folder with the benchmarks' data, in their authors' formats")],
    out_dir: Annotated[Path, typer.Option(help="folder for answers, scores, the table, and the journal of answers")],
    benchmark: Annotated[
        list[str] | None, typer.Option(help="repeat for several; default all whose data is there")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the first questions of each benchmark only")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens of an answer at most")] = 2_048,
    concurrency: Annotated[int, typer.Option(min=1, help="requests in flight")] = 8,
) -> None:
    """Ask a model the paper's benchmarks, score its answers, and write its row of the paper's table.

    What was answered is in the journal: the same command goes on from there, and asks nothing twice.
    """
    from codeio_assets.batch.scoring import benchmark_named
    from codeio_assets.benchmarks.contract import BadBenchmarkData
    from codeio_assets.evaluation import running
    from codeio_assets.evaluation.scoring import Scorer
    from codeio_assets.sandbox import open_sandbox
    from codeio_assets.sandbox.pool import default_workers

    names = [benchmark_named(each).name for each in benchmark or running.present(data)]
    if not names:
        raise BadInput(f"{data}: has the data of no benchmark; docs/evaluation.md says where to get it")
    scorer = Scorer(lambda limits: open_sandbox(limits), default_workers())
    journal = Journal(out_dir / "journal")
    client = OpenAIChatClient(model, name, journal, concurrency=concurrency)
    try:
        asked = running.available(data, names, limit)
        sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
        outcomes = running.evaluate(client, asked, scorer, sampling, _tell)
    except BadBenchmarkData as error:
        raise BadInput(str(error)) from None
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
