"""The commands that need neither Dagster nor a project; formats in docs/commands.md."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from codeio_assets.batch import auditing, judging, running, sampling
from codeio_assets.batch.lines import BadInput, read_identified, read_lines, writing
from codeio_assets.core.settings.project import Sampling
from codeio_assets.sandbox import Limits, Sandbox, find_interpreter, guarantees, open_sandbox
from codeio_assets.sandbox.pool import default_workers

app = typer.Typer()

Out = Annotated[Path, typer.Option("--out", help="JSONL to write, - for standard output")]
Workers = Annotated[int | None, typer.Option(min=1, help="one per core when not given")]
CpuSeconds = Annotated[float, typer.Option(min=0.01, help="CPU time per call")]
WallSeconds = Annotated[float, typer.Option(min=0.1, help="wall time per call, the backstop against sleeping")]
Memory = Annotated[int, typer.Option("--memory-mib", min=64, help="memory per call")]
Python = Annotated[str | None, typer.Option(help="what runs the programs: a path, or a name such as python3.12")]
STANDARD = Path("-")


def _sandbox(
    workers: int | None, python: str | None, cpu_s: float = 5.0, wall_s: float = 30.0, memory_mib: int = 512
) -> Sandbox:
    limits = Limits(cpu_s=cpu_s, wall_s=wall_s, memory_mib=memory_mib)
    return open_sandbox(limits, workers=workers, python=find_interpreter(python))


@app.command()
def run(
    *,
    programs: Annotated[Path, typer.Argument(help='JSONL: {"id", "code", "entry", "calls"}')],
    out: Out = STANDARD,
    workers: Workers = None,
    cpu_seconds: CpuSeconds = 5.0,
    wall_seconds: WallSeconds = 30.0,
    memory: Memory = 512,
    python: Python = None,
) -> None:
    """Run programs that nobody trusts: one typed outcome per call, in the order of the input."""
    sandbox = _sandbox(workers, python, cpu_seconds, wall_seconds, memory)
    try:
        with writing(out) as lines:
            statuses = running.run_programs(read_lines(programs, running.ProgramLine), sandbox, lines)
    finally:
        sandbox.close()
    _tell_counts(f"{lines.count} programs; calls", statuses)


@app.command()
def sample(
    *,
    responses: Annotated[Path, typer.Argument(help='JSONL: {"id", "response"}, four-section responses')],
    out_dir: Annotated[Path, typer.Option(help="folder for functions, pairs and rejections")],
    pairs: Annotated[int, typer.Option(min=1, max=10, help="pairs per function at most")] = 10,
    draws: Annotated[int, typer.Option(min=1, help="generator calls per function at most")] = 1_000,
    workers: Workers = None,
    python: Python = None,
) -> None:
    """Turn transform responses into functions and reproducible pairs; the rest becomes rejections with a reason."""
    sandbox = _sandbox(workers, python)
    settings = Sampling.model_validate({"draws": draws, "min_pairs": min(2, pairs)})
    try:
        with (
            writing(out_dir / "functions.jsonl") as functions,
            writing(out_dir / "pairs.jsonl") as kept,
            writing(out_dir / "rejections.jsonl") as rejections,
        ):
            outputs = sampling.Outputs(functions, kept, rejections)
            lines = read_lines(responses, sampling.ResponseLine)
            reasons = sampling.sample_responses(lines, sandbox, settings, pairs, outputs)
    finally:
        sandbox.close()
    _tell_counts(f"{functions.count} functions, {kept.count} pairs, {rejections.count} rejections", reasons)


@app.command()
def judge(
    *,
    predictions: Annotated[Path, typer.Argument(help='JSONL: {"id", "function_id", "direction", ...}')],
    functions: Annotated[Path, typer.Option(help='JSONL: {"id", "code", "entry"}')],
    out: Out = STANDARD,
    rule: Annotated[Literal["default", "paper"], typer.Option(help="rule of comparison")] = "default",
    workers: Workers = None,
    python: Python = None,
) -> None:
    """Judge predictions of either direction by execution, without any model."""
    sandbox = _sandbox(workers, python)
    try:
        with writing(out) as lines:
            known = read_identified(functions, judging.FunctionLine)
            statuses = judging.judge_predictions(
                read_lines(predictions, judging.PredictionLine), known, sandbox, rule, lines
            )
    finally:
        sandbox.close()
    _tell_counts(f"{lines.count} predictions", statuses)


@app.command()
def extract(
    *,
    responses: Annotated[Path, typer.Argument(help='JSONL: {"id", "response"}')],
    out: Out = STANDARD,
    key: Annotated[str, typer.Option(help="the answer object is the last one that has this key")] = "output",
) -> None:
    """Find the answer object in each response."""
    with writing(out) as lines:
        results = judging.extract_answers(read_lines(responses, judging.ResponseTextLine), key, lines)
    _tell_counts(f"{lines.count} responses", results)


@app.command()
def audit(
    *,
    functions: Annotated[Path, typer.Argument(help='JSONL: {"refcode", "funcname", "ios"}, the published format')],
    out: Out = STANDARD,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="the summary as JSON and not as a table")] = False,
    python: Python = None,
) -> None:
    """Execute recorded pairs again and tell which do not reproduce, and why."""
    sandbox = _sandbox(workers, python)
    try:
        with writing(out) as lines:
            audited = auditing.audit_functions(read_lines(functions, auditing.RecordedFunction), sandbox, lines)
    finally:
        sandbox.close()
    summary = auditing.summary(audited)
    _tell(json.dumps(summary) if as_json else auditing.table(summary))


@app.command()
def score(
    *,
    benchmark: Annotated[str, typer.Argument(help="gsm8k, math, bbh_en, ...; a wrong name lists all")],
    responses: Annotated[Path, typer.Argument(help='JSONL: the id fields of the benchmark, and "response"')],
    out: Out = STANDARD,
    data: Annotated[Path | None, typer.Option(help="folder of the benchmark's data, for its gold answers")] = None,
    workers: Workers = None,
) -> None:
    """Score responses as a benchmark's own scorer does, without any model; its figure is the last line."""
    from codeio_assets.batch import scoring
    from codeio_assets.evaluation.scoring import Scorer

    chosen = scoring.benchmark_named(benchmark)
    scorer = Scorer(lambda limits: open_sandbox(limits, workers=workers), workers or default_workers())
    try:
        with writing(out) as lines:
            summary = scoring.score_lines(scoring.read_responses(responses), chosen, data, scorer, lines)
    finally:
        scorer.close()
    _tell_counts(f"{lines.count:,} responses", summary.statuses)
    _tell("".join(f"  {name} {value:.2f}\n" for name, value in summary.figure.parts.items()).rstrip("\n"))
    typer.echo(f"{chosen.name}: {summary.figure.value:.2f}", err=out == STANDARD)


@app.command()
def leakage(
    *,
    texts: Annotated[Path, typer.Argument(help='JSONL: {"id", "text"}, the training texts')],
    questions: Annotated[Path, typer.Option(help='JSONL: {"id", "text"}, the questions')],
    out: Out = STANDARD,
    n: Annotated[int, typer.Option("--n", min=2, max=100, help="words in a row that make a leak")] = 13,
    unit: Annotated[Literal["words", "tokens"], typer.Option(help="what an n-gram counts")] = "words",
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer.json, for --unit tokens")] = None,
    cjk: Annotated[Literal["characters", "words"], typer.Option(help="what counts in CJK text")] = "characters",
) -> None:
    """Find the questions that stand in training texts, by exact n-grams, in one pass."""
    from codeio_assets.batch import leaking
    from codeio_assets.evaluation.leakage import WordRule

    if (unit == "tokens") != (tokenizer is not None):
        raise BadInput("--unit tokens and --tokenizer go together")
    rule = WordRule(cjk == "characters", leaking.tokenizer(tokenizer) if tokenizer is not None else None)
    with writing(out) as lines:
        asked = read_lines(questions, leaking.TextLine)
        counts = leaking.find_leaks(asked, read_lines(texts, leaking.TextLine), n, rule, lines)
    _tell(leaking.told(counts))


@app.command()
def check_isolation(
    required: Annotated[
        bool, typer.Option("--required", help="Say nothing where code can be isolated, else why not: exit code 1.")
    ] = False,
) -> None:
    """Try every guarantee of the sandbox, and say which of them this machine gives."""
    if required:
        if reason := guarantees.refusal():
            _tell(f"codeio: {reason}")
            raise typer.Exit(1)
        return
    missing = 0
    for guarantee in guarantees.check():
        missing += not guarantee.holds
        detail = f" ({guarantee.detail})" if guarantee.detail else ""
        print(f"{'yes' if guarantee.holds else 'no ':<4}{guarantee.name}{detail}")
    _tell("all hold" if not missing else f"{missing} not given here; docs/execution.md says what each means")


def _tell_counts(what: str, counts: Counter[str]) -> None:
    told = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    _tell(f"{what}: {told}" if told else what)


def _tell(text: str) -> None:
    """Say something to a person; standard output may be the data."""
    sys.stderr.write(text + "\n")
