"""Executing as steps, checks and commands do: under which surroundings, what it costs, and whose fault a failure is.

A fault of the machine is an error here and nowhere a row. The one judge of the pipeline and of `codeio judge` is here.
What does not live here: isolation (`sandbox`), reading answers and comparing (`core.method.verdicts`).
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from codeio_assets.core.method.verdicts import Direction, Judgement, Rule, judge_input, judge_output, read_input_answer
from codeio_assets.core.values.canonical import Json, JsonLike
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox, Variant

LEAP_S = 1.7
"""How far clocks leap at each look when pairs are confirmed: a run time in whole seconds shows, and few looks are no
minute, so that what has a generous limit of time is not blamed for having one."""
REFERENCE = Variant(hash_seed=0, random_seed=0, clock_s=1_700_000_000.0)
CHANGED = Variant(hash_seed=1, random_seed=1, clock_s=1_000_000_000.0, clock_leap_s=LEAP_S, elsewhere=True)
FURTHER = tuple(replace(CHANGED, hash_seed=seed, random_seed=seed) for seed in (2, 3, 4))
"""Two hash seeds may give a small set the same order: of 7,536 real pairs 4 passed with two and failed with a third."""
FURTHER_WITH_CHANCE = tuple(replace(REFERENCE, random_seed=seed) for seed in range(5, 17))
"""A rare draw of chance, such as a choice between equals, shows under few random seeds."""
SLOWEST_SHOWN = 20
CALLS_AT_ONCE = 16
"""Predicted inputs whose outcomes, up to 1 MiB each, are held together."""


class InfrastructureError(Exception):
    """The machine, not a program, was at fault: the step must be run again."""


@dataclass(slots=True)
class Tally:
    """What execution cost and how it ended, over a stage; `say` is told after each job how far the stage is."""

    say: Callable[[str], None] | None = None
    outcomes: Counter[str] = field(default_factory=Counter[str])
    cpu: list[float] = field(default_factory=list[float])
    retried: int = 0
    phase: str = ""
    functions: int = 0
    done: int = 0
    calls_of: Counter[str] = field(default_factory=Counter[str])
    cpu_of: dict[str, float] = field(default_factory=dict[str, float])

    def begin(self, phase: str, functions: int) -> None:
        """Name what comes next, and how many functions (one job each) it has."""
        self.phase, self.functions, self.done = phase, functions, 0

    def add(self, outcomes: Sequence[Outcome], owner: str | None = None) -> None:
        """Count the outcomes of one job, and for the function that owns it if told."""
        if owner is not None:
            self.calls_of[owner] += len(outcomes)
            self.cpu_of[owner] = self.cpu_of.get(owner, 0.0) + sum(outcome.cpu_s for outcome in outcomes)
        self.outcomes.update(outcome.status for outcome in outcomes)
        self.cpu.extend(outcome.cpu_s for outcome in outcomes)
        self.retried += sum(outcome.attempts > 1 for outcome in outcomes)
        self.done += 1
        if self.say:
            self.say(f"{self.phase}: {self.done:,}/{self.functions:,} functions, {len(self.cpu):,} calls so far")

    def as_info(self, sandbox: Sandbox) -> dict[str, JsonLike]:
        """Return the numbers for metadata."""
        return {
            "isolation": sandbox.isolation,
            "outcomes_by_status": dict(sorted(self.outcomes.items())),
            "execution_cpu_s": round(sum(self.cpu), 3),
            "calls_retried": self.retried,
            "call_cpu_median_s": round(statistics.median(self.cpu), 6) if self.cpu else 0.0,
        }

    def slowest(self) -> list[dict[str, Json]]:
        """Return the functions whose calls took most CPU time, with their share of all."""
        total = sum(self.cpu) or 1.0
        return [
            {"function_id": owner, "calls": self.calls_of[owner], "cpu_s": cpu_s, "shard_share": cpu_s / total}
            for owner, cpu_s in sorted(self.cpu_of.items(), key=lambda item: -item[1])[:SLOWEST_SHOWN]
        ]


def execute(
    jobs: Iterable[Job], sandbox: Sandbox, tally: Tally | None = None
) -> Iterator[tuple[Job, Sequence[Outcome]]]:
    """Yield each job with its outcomes, in the order in which they end; a tally is told of each.

    Raises:
        InfrastructureError: some call ended as `infrastructure`.
    """
    todo = list(jobs)
    for job, outcomes in sandbox.run_many(todo) if todo else ():
        for outcome in outcomes:
            if outcome.status == "infrastructure":
                raise InfrastructureError(f"job {job.job_id[:12]}: {outcome.message or 'the sandbox lost its worker'}")
        if tally:
            tally.add(outcomes, job.job_id)
        yield job, outcomes


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer to be judged: what was said about a function, in which direction, and the output that counts.

    `group` names the function, so that its predicted inputs run in one job.
    """

    group: str
    direction: Direction
    status: str
    response: str
    target_json: str
    code: str = ""
    entry: str = "main_solution"


def judge_claims(claims: Sequence[Claim], sandbox: Sandbox, rule: Rule, tally: Tally | None = None) -> list[Judgement]:
    """Return the judgement of each claim, in their order.

    The expected value never enters the sandbox: a predicted input is executed there, its output compared here.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    judged: dict[int, Judgement] = {}
    predicted: dict[str, dict[int, str]] = {}
    for number, claim in enumerate(claims):
        if claim.direction == "output":
            judged[number] = judge_output(claim.status, claim.response, claim.target_json, rule)
            continue
        answer = read_input_answer(claim.status, claim.response, rule)
        if isinstance(answer, Judgement):
            judged[number] = answer
        else:
            predicted.setdefault(claim.group, {})[number] = answer
    if tally:
        tally.begin("judging predicted inputs", len(predicted))
    jobs: dict[str, dict[int, str]] = {}
    todo: list[Job] = []
    for inputs in predicted.values():
        claim = claims[next(iter(inputs))]
        for first in range(0, len(inputs), CALLS_AT_ONCE):
            part = dict(list(inputs.items())[first : first + CALLS_AT_ONCE])
            name, calls = str(len(todo)), tuple(part.values())
            jobs[name] = part
            todo.append(Job(name, claim.code, claim.entry, calls, first=first, variant=REFERENCE))
    for job, outcomes in execute(todo, sandbox, tally):
        for (number, text), outcome in zip(jobs[job.job_id].items(), outcomes, strict=True):
            judged[number] = judge_input(
                text,
                outcome_status=outcome.status,
                outcome_value_json=outcome.value_json,
                error_type=outcome.error_type,
                message=outcome.message,
                target_json=claims[number].target_json,
                rule=rule,
            )
    return [judged[number] for number in range(len(claims))]


def variants_by_cause(changed: Variant = CHANGED) -> tuple[tuple[str, Variant], ...]:
    """Return causes of an unstable output, each with surroundings that differ from the reference in that thing alone.

    What changes when nothing does has looked at how much time passes, and comes before what it could be mistaken for.
    """
    return (
        ("time", replace(REFERENCE, clock_s=changed.clock_s)),
        ("time", REFERENCE),
        ("time", replace(REFERENCE, clock_leap_s=changed.clock_leap_s)),
        ("random", replace(REFERENCE, random_seed=changed.random_seed)),
        ("hash_order", replace(REFERENCE, hash_seed=changed.hash_seed)),
        ("machine", replace(REFERENCE, elsewhere=changed.elsewhere)),
    )


def describe(outcome: Outcome) -> str:
    """Put an outcome in words: `TypeError: ...`, or its status."""
    if outcome.error_type:
        return f"{outcome.error_type}: {outcome.message or ''}".rstrip(": ")
    return outcome.status.replace("_", " ")
