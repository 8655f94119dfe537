"""`codeio sample`: transform responses to functions and reproducible pairs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from codeio_assets.batch.lines import Line, ProgressLine, Writer, chunks, value_of
from codeio_assets.core.method.transform import ParsedFunction, parse_response
from codeio_assets.core.settings.project import Sampling
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.io_pairs import (
    Candidate,
    chosen_inputs,
    confirm,
    draw_and_execute,
    problem_of,
)

CHUNK = 200
"""Functions that are sampled together, round by round."""


class ResponseLine(Line):
    """One response in the four-section format."""

    id: str | int
    response: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where functions, pairs and rejections are written."""

    functions: Writer
    pairs: Writer
    rejections: Writer


def sample_responses(
    responses: Iterable[ResponseLine], sandbox: Sandbox, settings: Sampling, pairs: int, out: Outputs
) -> Counter[str]:
    """Sample every response; each ends as a line of functions or of rejections. Returns rejections by reason."""
    with ProgressLine("responses") as progress:
        reasons: Counter[str] = Counter()
        for chunk in chunks(responses, CHUNK):
            parsed = [(line, parse_response(line.response)) for line in chunk]
            candidates = {
                number: Candidate(str(number), "", function.reference_code, function.input_generator)
                for number, (_, function) in enumerate(parsed)
                if isinstance(function, ParsedFunction)
            }
            tally = Tally()
            draw_and_execute(list(candidates.values()), sandbox, settings, tally, together=True)
            confirm([candidate for candidate in candidates.values() if candidate.outputs], sandbox, tally)
            for number, (line, function) in enumerate(parsed):
                if isinstance(function, ParsedFunction):
                    problem = problem_of(candidates[number], settings)
                else:
                    problem = (function.reason, function.detail)
                if problem:
                    reasons[problem[0]] += 1
                    out.rejections.write(id=line.id, reason=problem[0], detail=problem[1])
                elif isinstance(function, ParsedFunction):
                    _write(line.id, function, candidates[number], pairs, out)
            progress.advance(len(chunk))
    return reasons


def _write(identity: str | int, function: ParsedFunction, candidate: Candidate, pairs: int, out: Outputs) -> None:
    out.functions.write(
        id=identity,
        code=function.reference_code,
        entry="main_solution",
        io_description=function.io_description,
        input_generator=function.input_generator,
        query=function.query,
    )
    for text in chosen_inputs(candidate, pairs):
        out.pairs.write(id=identity, input=value_of(text), output=value_of(candidate.outputs[text]))
