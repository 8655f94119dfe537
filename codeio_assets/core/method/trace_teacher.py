"""A teacher without a model: a chain of thought in plain language, made from a trace, that ends in the right answer.

What it is for: a first training set where there is no server, checks, and tests. What it is not for: a data set at
scale. The way back from an output to an input cannot be read off a trace, so that inputs are shown to be right rather
than found, and templates have less variety than people or models (CodeI/O, sec. 2.4, argues likewise).
What does not live here: which steps are told (`trace_walk`), their sentences (`trace_wording`).
"""

import json
from dataclasses import dataclass
from typing import Final, Literal

from codeio_assets.core.method.step_questions import StepAsked, StepKind, ordinal
from codeio_assets.core.method.trace_walk import steps_of
from codeio_assets.core.method.trace_wording import WORDINGS, TraceWords
from codeio_assets.core.method.traces import Trace
from codeio_assets.core.values.canonical import canonical_text, content_id, sha256_hex

MODEL_ID: Final = "teacher:trace"
"""Stands where other responses name their model."""
MAX_CHARACTERS: Final = 6_000
MAX_SENTENCES: Final = 150
MAX_UNTOLD_RATIO: Final = 0.2
"""Steps that changed what cannot be told, per sentence: beyond it the answer would come from nowhere."""
OPENINGS: Final = {
    "output": (
        "Let us go through it step by step.",
        "We follow the computation from the beginning.",
        "To find the output, we work through the steps in order.",
        "Step by step:",
    ),
    "input": (
        "We look for an input that leads to {target}. Let us try {given} and see what it gives.",
        "The required output is {target}. A candidate is {given}; we check it step by step.",
        "Suppose that the input is {given}. We work out whether it leads to {target}.",
        "To get {target}, {given} may do. We go through it.",
    ),
}
CLOSINGS: Final = {
    "output": ("So the answer is:", "The final answer:", "Therefore:", "This is the output:"),
    "input": ("That is what is required, so the answer is:", "It fits. The final answer:", "This input does it:"),
}
STEP_CLOSINGS: Final[dict[StepKind, tuple[str, ...]]] = {
    "value_after_line": (
        "With that, line {line} has been run for the {ordinal} time, and `{name}` is {value}.",
        "This is where line {line} is done for the {ordinal} time: `{name}` holds {value}.",
        "Line {line} is now through its {ordinal} run, which leaves `{name}` at {value}.",
    ),
    "next_line": (
        "This was line {line} for the {ordinal} time, and the next one is line {value}.",
        "So after the {ordinal} run of line {line} it goes on in line {value}.",
        "From here, line {line} run for the {ordinal} time, the way leads to line {value}.",
    ),
    "times_run": (
        "Counting along the way, line {line} is run this often: {value}.",
        "Number of runs of line {line} in all of this: {value}.",
        "Line {line} comes up in this count of runs: {value}.",
    ),
}
TEACHER_VERSION: Final = content_id(
    wordings={kind: list(texts) for kind, texts in WORDINGS.items()},
    openings={key: list(texts) for key, texts in OPENINGS.items()},
    closings={key: list(texts) for key, texts in CLOSINGS.items()},
    bounds=[MAX_CHARACTERS, MAX_SENTENCES, MAX_UNTOLD_RATIO],
    rules=1,
)
"""Changes with any text, and must be raised in `rules` with the way of telling: stored walks are then stale."""
STEPS_VERSION: Final = content_id(
    teacher=TEACHER_VERSION, closings={kind: list(texts) for kind, texts in STEP_CLOSINGS.items()}
)
"""The same of answers to questions about steps."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a walk is about. `input_json` and `output_json` are the pair; `key` decides among wordings."""

    key: str
    direction: Literal["input", "output"]
    code: str
    input_json: str
    output_json: str


class _Choice:
    """Chooses among wordings by hash, so that the same task has the same text, and two tasks have two."""

    def __init__(self, key: str) -> None:
        self._key, self._made = key, 0

    def wording(self, kind: str, count: int) -> int:
        self._made += 1
        return int(sha256_hex(f"{self._key}:{kind}:{self._made}")[:8], 16) % count

    def among(self, kind: str, texts: tuple[str, ...]) -> str:
        return texts[self.wording(kind, len(texts))]


def walk(lesson: Lesson, trace: Trace) -> str | None:
    """Return the chain of thought with the right answer at its end, None where it would leave out too much."""
    if not trace.is_complete or trace.result_json is None:
        return None
    if canonical_text(trace.result_json) != canonical_text(lesson.output_json):
        return None
    choose = _Choice(lesson.key)
    sentences = _sentences(trace, lesson.code, choose)
    if sentences is None:
        return None
    answer = lesson.output_json if lesson.direction == "output" else lesson.input_json
    opening = choose.among("opening", OPENINGS[lesson.direction])
    text = "\n\n".join(
        [
            opening.format(target=_readable(lesson.output_json), given=_readable(lesson.input_json)),
            "\n".join(sentences),
            choose.among("closing", CLOSINGS[lesson.direction]),
            f'{{"{lesson.direction}": {answer}}}',
        ]
    )
    return text if len(text) <= MAX_CHARACTERS else None


def walk_to(asked: StepAsked, trace: Trace, code: str, key: str) -> str | None:
    """Return a chain of thought up to the step that a question is about, with the right answer at its end.

    None where it would leave out too much.
    """
    choose = _Choice(key)
    sentences = _sentences(trace, code, choose, asked.until)
    if sentences is None:
        return None
    found = choose.among(asked.kind, STEP_CLOSINGS[asked.kind]).format(
        name=asked.name, line=asked.line, ordinal=ordinal(asked.time), value=_readable(asked.target_json)
    )
    opening = choose.among("opening", OPENINGS["output"])
    text = "\n\n".join([opening, "\n".join(sentences), found, f'{{"output": {asked.target_json}}}'])
    return text if len(text) <= MAX_CHARACTERS else None


def _sentences(trace: Trace, code: str, choose: _Choice, until: int | None = None) -> list[str] | None:
    words = TraceWords(choose.wording)
    sentences: list[str] = []
    for step in steps_of(trace, code, until):
        told = words.sentence(step, trace.root)
        if told:
            sentences.append(told)
        if len(sentences) > MAX_SENTENCES:
            return None
    return None if words.untold > MAX_UNTOLD_RATIO * len(sentences) else sentences


def _readable(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False)
