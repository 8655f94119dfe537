"""Questions about one step of an execution, with the right answer: what a name holds, which line is next, how often.

What lives here: choosing steps of a trace and asking about them. What does not: asking a model, judging (a predicted
output of a step is judged like any other, `core.method.verdicts.judge_output`), traces (`traces`).
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from codeio_assets.core.method.trace_walk import statements_by_line
from codeio_assets.core.method.traces import Event, Trace, is_plain, lines_of, times_run
from codeio_assets.core.prompts import Prompt, PromptError
from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.core.values.complexity import check_complexity

StepKind = Literal["value_after_line", "next_line", "times_run"]
QUESTIONS: Final[dict[StepKind, str]] = {
    "value_after_line": "What is the value of `{name}` when line {line} has been run for the {ordinal} time?",
    "next_line": "Line {line} has just been run for the {ordinal} time. Which line of the same call is run next? "
    "Answer with its number.",
    "times_run": "How many times is line {line} run in this call? Answer with the number.",
}


@dataclass(frozen=True, slots=True)
class StepAsked:
    """A question about a step; `target_json` is the right answer.

    It is about the `time`th run of `line`, which is over after `until` events of the trace, and about `name`, if any;
    or about all runs of the line.
    """

    kind: StepKind
    question: str
    target_json: str
    line: int
    until: int
    time: int = 0
    name: str = ""


def step_questions(trace: Trace, code: str, key: str, per_kind: int = 1) -> list[StepAsked]:
    """Return up to `per_kind` questions of each kind about the outermost call of a trace, drawn by hash of `key`.

    There are none where the trace is not complete, or the function calls itself, so that a line could be run in
    several calls.
    """
    if not trace.is_complete or _calls_itself(trace):
        return []
    runs = list(_runs(trace))
    kinds: tuple[Iterable[StepAsked], ...] = (_values(runs), _followings(runs, code), _counts(trace, code))
    chosen: list[StepAsked] = []
    for asked in kinds:
        distinct = {each.question: each for each in asked}.values()
        chosen += sorted(distinct, key=lambda each: sha256_hex(f"{key}:{each.question}"))[:per_kind]
    return chosen


def step_prompt(asked: StepAsked, code: str, input_json: str, prompt: Prompt) -> str:
    """Return the text that puts a question to a model.

    Raises:
        PromptError: the template is not a single message of the user, or has a bad placeholder.
    """
    lines = code.rstrip().split("\n")
    width = len(str(len(lines)))
    numbered = "\n".join(f"{number:>{width}}  {line}".rstrip() for number, line in enumerate(lines, start=1))
    messages = prompt.fill(numbered_code=numbered, given=input_json, question=asked.question)
    if [role for role, _ in messages] != ["user"]:
        raise PromptError(f"prompt {prompt.name}: must be one `=== user` message")
    return messages[0][1]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a line of the outermost call: the how-manyeth, and the line that the call ran next, if any.

    It is over after `until` events of the trace.
    """

    event: Event
    time: int
    next_line: int | None
    until: int


def _runs(trace: Trace) -> Iterator[_Run]:
    events = list(lines_of(trace, trace.root))
    times: dict[int, int] = {}
    for (_, event), (place, following) in zip(events, [*events[1:], (len(trace.events), None)], strict=True):
        times[event.line] = times.get(event.line, 0) + 1
        yield _Run(event, times[event.line], following.line if following else None, place)


def _calls_itself(trace: Trace) -> bool:
    own = trace.events[0].name
    return sum(event.kind == "call" and event.name == own for event in trace.events) > 1


def _values(runs: Iterable[_Run]) -> Iterator[StepAsked]:
    for run in runs:
        for name, value in run.event.set.items():
            if is_plain(value) and check_complexity(value) is None:
                yield _asked("value_after_line", canonical_json(value), run, name)


def _followings(runs: Iterable[_Run], code: str) -> Iterator[StepAsked]:
    """Ask where a loop or condition goes; elsewhere the next line says nothing."""
    statements = statements_by_line(code)
    for run in runs:
        if run.next_line is not None and isinstance(statements.get(run.event.line), ast.If | ast.For | ast.While):
            yield _asked("next_line", str(run.next_line), run)


def _counts(trace: Trace, code: str) -> Iterator[StepAsked]:
    statements = statements_by_line(code)
    inner = {
        line
        for loop in statements.values()
        if isinstance(loop, ast.For | ast.While)
        for line in range(loop.lineno, (loop.end_lineno or loop.lineno) + 1)
    }
    for line, count in times_run(trace, trace.root).items():
        if line in inner:
            question = QUESTIONS["times_run"].format(line=line)
            yield StepAsked("times_run", question, str(count), line, len(trace.events))


def _asked(kind: StepKind, target_json: str, run: _Run, name: str = "") -> StepAsked:
    question = QUESTIONS[kind].format(name=name, line=run.event.line, ordinal=ordinal(run.time))
    return StepAsked(kind, question, target_json, run.event.line, run.until, run.time, name)


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st and so on."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
