"""What a benchmark is here: questions that a loader gives, a verdict per response, one figure over the verdicts.

What does not live here: the benchmarks themselves (one module each), running them (`evaluation`), reading lines of
responses (`batch`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Final, Literal, get_args

from codeio_assets.core.values.canonical import Json, JsonLike

Status = Literal["correct", "wrong", "no_answer", "truncated", "no_gold"]
"""`no_gold`: neither the line nor the data has the right answer, so that the response has no score."""
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
Details = Mapping[str, JsonLike]


class BadBenchmarkData(ValueError):  # noqa: N818
    """A folder or file of a benchmark cannot be used; the message names it, and what is missing."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    `text` is the question alone, as leakage looks at it; `prompt` is what a model is asked, one message of a user.
    `gold` is the right answer in the benchmark's own notation, or None where it is not known here. `group` is the
    task, subject or size that the benchmark reports by; `facts` are what its scorer needs beside the gold answer.
    """

    id: str
    text: str
    prompt: str
    gold: Json
    group: str = ""
    facts: Details = field(default_factory=dict[str, JsonLike])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a response is worth: `score` is 0 to 1, or None without a gold answer; `details` are further columns."""

    status: Status
    score: float | None
    extracted: str | None = None
    details: Details = field(default_factory=dict[str, JsonLike])


def judged(score: float, extracted: str | None, **details: JsonLike) -> Verdict:
    """Return the verdict of an answer that was found; only the full score is correct."""
    return Verdict("correct" if score == 1 else "wrong", float(score), extracted, details)


@dataclass(frozen=True, slots=True)
class Execution:
    """Expressions that must be evaluated in the sandbox, after a program, before there is a verdict.

    `gold` is a Python literal; the response is right when every value is equal to it. It never enters the sandbox.
    """

    code: str
    expressions: tuple[str, ...]
    gold: str
    extracted: str
    details: Details = field(default_factory=dict[str, JsonLike])


NO_ANSWER: Final = Verdict("no_answer", 0.0)
NO_GOLD: Final = Verdict("no_gold", None)


def cut_off(verdict: Verdict) -> Verdict:
    """Return the verdict of a response that ended at its token limit: what is not right by then is truncated."""
    return replace(verdict, status="truncated") if verdict.status in ("wrong", "no_answer") else verdict


@dataclass(frozen=True, slots=True)
class Scored:
    """A verdict with the group of its question, as figures are made of them."""

    group: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Figure:
    """A benchmark's own figure, in percent, and the parts that it reports beside it, in percent."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict[str, float])


def percent(values: Iterable[float]) -> float:
    """Return the mean in percent; of nothing it is 0."""
    listed = list(values)
    return 100 * fmean(listed) if listed else 0.0


def scores_of(scored: Iterable[Scored]) -> list[float]:
    """Return the scores of those that have one."""
    return [each.verdict.score for each in scored if each.verdict.score is not None]


def mean_score(scored: Sequence[Scored]) -> Figure:
    """Return the mean over all questions, the figure of most benchmarks."""
    return Figure(percent(scores_of(scored)))


def by_group(scored: Iterable[Scored]) -> dict[str, list[Scored]]:
    """Return the verdicts by the group of their question, in the order in which groups first occur."""
    groups: dict[str, list[Scored]] = {}
    for each in scored:
        groups.setdefault(each.group, []).append(each)
    return groups


def mean_of_groups(scored: Sequence[Scored]) -> Figure:
    """Return the mean over groups of the groups' means, with each group beside it."""
    parts = {name: percent(scores_of(each)) for name, each in by_group(scored).items() if scores_of(each)}
    return Figure(sum(parts.values()) / len(parts) if parts else 0.0, parts)


Row = Mapping[str, Json]
Load = Callable[[Path], Iterable[Question]]
Score = Callable[[str, Question], Verdict | Execution]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: where its questions come from, how a response is judged, what its figure is.

    `id_fields` are the fields of a line of responses that name its question, and go into the output; `question_id`
    makes the id of them that the loader gives. `own_question` makes a question of a line that holds its own gold
    answer (the known one, if any, is given as well), or None. `load` reads the files of the authors' own format from a
    folder; `files` are globs of all that it may read there. `is_asked` leaves out questions of other releases, which
    are there to be scored only; `is_private` questions are read, and never written into exports or reports. `unit`
    names what questions count together for; where a part is asked, units are asked whole.
    """

    name: str
    title: str
    id_fields: tuple[str, ...]
    question_id: Callable[[Row], str]
    load: Load
    score: Score
    files: tuple[str, ...]
    own_question: Callable[[Row, Question | None], Question | None] = field(default=lambda _, known: known)
    figure: Callable[[Sequence[Scored]], Figure] = mean_score
    is_asked: Callable[[Question], bool] = field(default=lambda _: True)
    unit: Callable[[Question], str] = field(default=lambda question: question.id)
    needs_data: bool = True
    is_private: bool = False
    scorer_version: int = 1
    prompt_version: int = 1


def field_id(name: str) -> Callable[[Row], str]:
    """Return what reads a question's id from one field of a line."""
    return lambda row: str(row.get(name, ""))


def numbered_id(row: Row) -> str:
    """Return the number at the end of ids such as `gsm8k-main-test-#12`; other ids are their own."""
    text = str(row.get("id", ""))
    return text.rpartition("#")[2] if "#" in text else text


def own_answer(row: Row, known: Question | None) -> Question | None:
    """Return the question of a line that holds its own answer; the known one where it holds none."""
    gold = row.get("answer")
    return Question(numbered_id(row), "", "", str(gold)) if isinstance(gold, str | int | float) else known
