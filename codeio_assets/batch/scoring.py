"""`codeio score`: verdicts of a benchmark's own scorer for responses that somebody collected.

What lives here: lines of responses, as benchmarks' authors publish them, in; a verdict per line out. What does not:
what is right (`benchmarks`), and running scorers (`evaluation.scoring`).
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from pydantic import ConfigDict, model_validator

from codeio_assets.batch.lines import BadInput, Line, ProgressLine, Writer, read_lines
from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import BadBenchmarkData, Benchmark, Figure, Question, Scored, Verdict
from codeio_assets.core.values.canonical import Json, JsonLike
from codeio_assets.evaluation.scoring import Response, Scorer

RESERVED = frozenset({"status", "score", "extracted"})


class ResponseLine(Line):
    """A response; the fields that name its question, and may hold its gold answer, are the benchmark's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    response: str | None = None
    prediction: str | list[str] | None = None
    finish_reason: Any = None
    sample: Any = None

    @model_validator(mode="after")
    def _has_a_response(self) -> Self:
        if not self.model_fields_set & {"response", "prediction"}:
            raise ValueError("needs `response` or `prediction`")
        return self


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file of responses came to."""

    figure: Figure
    statuses: Counter[str]


def benchmark_named(name: str) -> Benchmark:
    """Return a benchmark by its name.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in BENCHMARKS:
        raise BadInput(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def known_questions(benchmark: Benchmark, data: Path | None) -> dict[str, Question]:
    """Return the questions of a benchmark by id; none where no folder is given and lines may hold their own answers.

    Raises:
        BadInput: the data cannot be read, or is needed and not given.
    """
    if data is None:
        if benchmark.needs_data:
            raise BadInput(
                f"{benchmark.name}: the gold answers are in its data: give --data FOLDER, with {benchmark.files}"
            )
        return {}
    try:
        return {question.id: question for question in benchmark.load(data)}
    except BadBenchmarkData as error:
        if benchmark.needs_data:
            raise BadInput(f"{benchmark.name}: {error}; give --data FOLDER, with {benchmark.files}") from None
        return {}


def score_lines(
    lines: Iterable[ResponseLine], benchmark: Benchmark, data: Path | None, scorer: Scorer, out: Writer
) -> Summary:
    """Write one verdict per line, in order.

    Raises:
        BadInput: a line lacks a field that names its question, or the data is missing.
    """
    known = known_questions(benchmark, data)
    progress = ProgressLine("responses")
    statuses: Counter[str] = Counter()
    scored: list[Scored] = []
    held: deque[tuple[ResponseLine, Question | None]] = deque()
    for verdict in scorer.score(_responses(lines, benchmark, known, held)):
        line, question = held.popleft()
        statuses[verdict.status] += 1
        scored.append(Scored(question.group if question else "", verdict))
        out.write(**_output(line, benchmark, verdict))
        progress.advance()
    progress.finish()
    return Summary(benchmark.figure(scored), statuses)


def _responses(
    lines: Iterable[ResponseLine],
    benchmark: Benchmark,
    known: dict[str, Question],
    held: deque[tuple[ResponseLine, Question | None]],
) -> Iterator[Response]:
    """Yield what the scorer is given, and keep each line for its verdict."""
    for number, line in enumerate(lines, start=1):
        row: dict[str, Json] = line.model_extra or {}
        missing = [name for name in benchmark.id_fields if name not in row]
        if missing:
            raise BadInput(f"response {number}: `{missing[0]}`: field required, it names the question")
        question = benchmark.own_question(row, known.get(benchmark.question_id(row)))
        held.append((line, question))
        spans = tuple(line.prediction) if isinstance(line.prediction, list) else None
        if isinstance(line.prediction, str) and benchmark.name == "drop":
            spans = (line.prediction,)
        text = line.response if line.response is not None else line.prediction
        is_cut_off = line.finish_reason == "length" or row.get("truncated") is True
        yield Response(benchmark.name, text if isinstance(text, str) else "", question, spans, is_cut_off)


def _output(line: ResponseLine, benchmark: Benchmark, verdict: Verdict) -> dict[str, JsonLike]:
    row = line.model_extra or {}
    named = {name: row[name] for name in ("id", *benchmark.id_fields, "task") if name in row}
    sample = {} if line.sample is None else {"sample": line.sample}
    details = {name: value for name, value in verdict.details.items() if name not in RESERVED}
    verdict_fields = {"status": verdict.status, "score": verdict.score, "extracted": verdict.extracted}
    return {**named, **sample, **verdict_fields, **details}


def read_responses(path: Path) -> Iterator[ResponseLine]:
    """Yield the responses of a JSONL file, or of CRUXEval's own file of samples: an object of lists by question.

    Raises:
        BadInput: it cannot be read, or a line is no response.
    """
    if path.suffix != ".json":
        yield from read_lines(path, ResponseLine)
        return
    try:
        content: Json = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read as JSON: {error}") from None
    samples = _samples(content)
    if samples is None:
        raise BadInput(f"{path}: is no object of lists of samples by question; give responses as JSONL")
    for name, texts in samples.items():
        for number, text in enumerate(texts):
            yield ResponseLine.model_validate({"id": name, "sample": number, "response": str(text)})


def _samples(content: Json) -> dict[str, list[object]] | None:
    """Return samples by question, from a file of samples or of samples with their scores."""
    if not isinstance(content, dict):
        return None
    found = content.get("raw_generations", content)
    if not isinstance(found, dict) or not all(isinstance(each, list) for each in found.values()):
        return None
    return cast("dict[str, list[object]]", found)
