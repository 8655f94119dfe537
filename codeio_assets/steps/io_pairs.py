"""io_pairs: drawing inputs, executing them, and proving that each stored pair reproduces (CodeI/O, sec. 2.3).

An input is JSON before the call, in the order in which its generator wrote it; every kept pair gave the same output in
further processes, under other hash seeds, clocks and random states, and on what looks like another machine. What does
not live here: the decisions (`core.method.io_pairs`), isolation (`sandbox`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from codeio_assets.core.method.io_pairs import (
    Draws,
    explain,
    is_degenerate,
    main_reason,
    packages_lacking,
    reject_output,
)
from codeio_assets.core.settings.project import Sampling
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import canonical_text, content_id, same_json
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox, Variant
from codeio_assets.steps.executing import (
    CHANGED,
    FURTHER,
    FURTHER_WITH_CHANCE,
    REFERENCE,
    Tally,
    describe,
    execute,
    variants_by_cause,
)
from codeio_assets.steps.result import StepResult, account, rejection

SOURCES_OF_CHANCE = re.compile("random|secrets|uuid")
PROBES = 3
BULK_CHARACTERS = 1 << 16
"""A value as JSON that is longer breaks every limit of the complexity rule."""
EXECUTED_INPUTS = 10
"""Distinct inputs executed per function, whatever the cap (CodeI/O, appendix A: up to 10)."""


@dataclass(slots=True)
class Candidate:
    """A function on its way to pairs; `outputs` maps accepted inputs to outputs, `problem` ends it early."""

    function_id: str
    source: str
    code: str
    generator: str
    draws: Draws = field(default_factory=Draws)
    executed: int = 0
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    rounds: int = 0
    problem: tuple[str, str] | None = None

    @property
    def program(self) -> str:
        """The program that draws: the generator sees the names of the reference code."""
        return f"{self.code}\n\n{self.generator}\n"

    def wants_more(self, settings: Sampling) -> bool:
        """Tell whether another round of draws may help: not enough pairs, draws left, and draws not hopeless."""
        enough = len(self.outputs) >= EXECUTED_INPUTS
        timeouts = self.draws.lost["output_timeout"] + self.draws.lost["generator_timeout"]
        hopeless = not self.outputs and (self.rounds >= 2 or timeouts >= EXECUTED_INPUTS)
        return not enough and not hopeless and self.rounds * settings.draws_per_round < settings.draws


def sample_pairs(
    functions: pl.DataFrame,
    sandbox: Sandbox,
    settings: Sampling,
    pairs_per_function: int,
    tally: Tally | None = None,
) -> StepResult:
    """Sample the pairs of all functions of a shard.

    Rejections (by function): the reason most draws or outputs were lost to, `too_few_pairs`, `degenerate`,
    `nondeterministic_<cause>`.

    Raises:
        InfrastructureError: some call ended as `infrastructure`.
    """
    candidates = [
        Candidate(row["function_id"], row["source"], row["reference_code"], row["input_generator"])
        for row in functions.to_dicts()
    ]
    tally = tally or Tally()
    draw_and_execute(candidates, sandbox, settings, tally, together=True)
    confirm([candidate for candidate in candidates if candidate.outputs], sandbox, tally)
    rows: list[Row] = []
    rejections: list[Row] = []
    for candidate in candidates:
        problem = problem_of(candidate, settings)
        if problem:
            rejections.append(rejection(candidate.function_id, candidate.source, *problem))
        else:
            rows.extend(_pair_rows(candidate, pairs_per_function))
    kept = len(candidates) - len(rejections)
    lost = sum((candidate.draws.lost for candidate in candidates), Counter[str]())
    info = tally.as_info(sandbox) | {
        "missing_packages": packages_lacking((row["reason"], row["detail"]) for row in rejections),
        "lost_draws_by_reason": dict(sorted(lost.items())),
        "slowest_functions": tally.slowest(),
    }
    return account("io_pairs", rows, rejections, items_in=len(candidates), items_out=kept, info=info)


def draw_and_execute(
    candidates: list[Candidate], sandbox: Sandbox, settings: Sampling, tally: Tally, *, together: bool = False
) -> None:
    """Draw inputs and execute them, round by round over all candidates that want more.

    With `together` the inputs of a function share a process, which costs a fraction; `confirm` then sees whether they
    influenced each other.
    """
    while active := [candidate for candidate in candidates if candidate.wants_more(settings)]:
        _draw(active, sandbox, settings, tally)
        _execute(active, sandbox, tally, together=together)


def _draw(active: list[Candidate], sandbox: Sandbox, settings: Sampling, tally: Tally) -> None:
    by_id = {candidate.function_id: candidate for candidate in active}
    jobs = (
        Job(
            candidate.function_id,
            candidate.program,
            "input_generator",
            draws=min(settings.draws_per_round, settings.draws - candidate.rounds * settings.draws_per_round),
            variant=replace(REFERENCE, random_seed=settings.seed + 1_000 * candidate.rounds),
        )
        for candidate in active
    )
    tally.begin("drawing inputs", len(active))
    for job, outcomes in execute(jobs, sandbox, tally):
        candidate = by_id[job.job_id]
        for outcome in outcomes:
            candidate.draws.add(outcome.status, outcome.value_json, describe(outcome))
        candidate.rounds += 1


def _execute(active: list[Candidate], sandbox: Sandbox, tally: Tally, *, together: bool) -> None:
    """Execute the inputs that were accepted and not executed yet, as many as are still wanted."""
    todo: dict[str, list[str]] = {}
    for candidate in active:
        wanted = EXECUTED_INPUTS - len(candidate.outputs)
        inputs = candidate.draws.inputs[candidate.executed : candidate.executed + wanted]
        candidate.executed += len(inputs)
        if inputs:
            todo[candidate.function_id] = inputs
    outcomes = _outcomes(active, todo, sandbox, tally, together=together)
    if together:
        _settle_failures(active, outcomes, sandbox, tally)
    for candidate in active:
        for text, outcome in outcomes.get(candidate.function_id, {}).items():
            _keep(candidate, text, outcome)


def _settle_failures(
    active: list[Candidate], outcomes: dict[str, dict[str, Outcome]], sandbox: Sandbox, tally: Tally
) -> None:
    """Execute alone what did not return, for it may have fallen to another call of its process.

    Where all calls timed out the first few tell: if none of them returns alone, the others are believed.
    """
    failed = {key: [text for text, each in found.items() if each.status != "ok"] for key, found in outcomes.items()}
    silent = [key for key, found in outcomes.items() if all(each.status == "timeout" for each in found.values())]
    probes = failed | {key: failed[key][:PROBES] for key in silent}
    for key, found in _outcomes(active, probes, sandbox, tally).items():
        outcomes[key] |= found
    rest = {
        key: failed[key][PROBES:]
        for key in silent
        if any(outcomes[key][text].status != "timeout" for text in probes[key])
    }
    for key, found in _outcomes(active, rest, sandbox, tally).items():
        outcomes[key] |= found


def _outcomes(
    candidates: Iterable[Candidate],
    inputs: Mapping[str, Sequence[str]],
    sandbox: Sandbox,
    tally: Tally,
    variant: Variant = REFERENCE,
    *,
    together: bool = False,
) -> dict[str, dict[str, Outcome]]:
    """Execute inputs of several functions; return function -> input -> outcome."""
    by_id = {each.function_id: each for each in candidates}
    jobs = [
        Job(each.function_id, each.code, calls=tuple(texts), variant=variant, together=together and len(texts) > 1)
        for each in by_id.values()
        if (texts := inputs.get(each.function_id))
    ]
    found: dict[str, dict[str, Outcome]] = {}
    tally.begin("executing inputs" if variant == REFERENCE else "confirming outputs", len(jobs))
    for job, outcomes in execute(jobs, sandbox, tally):
        any_size = by_id[job.job_id].draws.any_size
        light = [outcome if any_size else _without_bulk(outcome) for outcome in outcomes]
        found[job.job_id] = dict(zip(job.calls, light, strict=True))
    return found


def _without_bulk(outcome: Outcome) -> Outcome:
    """Return an outcome without a value that is far too large, and with why: many of those would fill the memory."""
    value = outcome.value_json
    if value is None or len(value) <= BULK_CHARACTERS:
        return outcome
    reason = reject_output(outcome.status, value) or "output_missing"
    return replace(outcome, value_json=None, error_type=reason, message=explain(reason, value))


def _keep(candidate: Candidate, text: str, outcome: Outcome) -> None:
    """Take the outcome of one input: an output, or a reason for a loss."""
    value = outcome.value_json
    if outcome.status == "ok" and value is None:  # it was too large to be kept
        candidate.draws.lose(outcome.error_type or "output_missing", outcome.message or "")
        return
    reason = reject_output(outcome.status, value, any_size=candidate.draws.any_size)
    if reason is None and value is not None:
        candidate.outputs[text] = value
        return
    explained = describe(outcome) if reason is None or value is None else explain(reason, value)
    candidate.draws.lose(reason or "output_missing", explained)


def confirm(candidates: list[Candidate], sandbox: Sandbox, tally: Tally) -> None:
    """Execute each pair once more, alone and under other surroundings.

    A function whose outputs differ is executed again with each call alone, in case calls that shared a process had
    influenced each other. If its outputs still differ it is unstable, and gets the cause as its `problem`.
    """
    differing = _unstable(candidates, sandbox, CHANGED, tally)
    _execute_alone(differing, sandbox, tally)
    _blame(_unstable(differing, sandbox, CHANGED, tally), CHANGED, sandbox, tally)
    for variant in FURTHER:
        _confirm_again(candidates, sandbox, variant, tally)
    chancy = [candidate for candidate in candidates if SOURCES_OF_CHANCE.search(candidate.code)]
    for variant in FURTHER_WITH_CHANCE:
        _confirm_again(chancy, sandbox, variant, tally)


def _confirm_again(candidates: list[Candidate], sandbox: Sandbox, variant: Variant, tally: Tally) -> None:
    """Execute the pairs that still stand under one more variant, together first, for that costs little."""
    standing = [candidate for candidate in candidates if candidate.outputs and not candidate.problem]
    differing = _unstable(standing, sandbox, variant, tally, together=True)
    _blame(_unstable(differing, sandbox, variant, tally), variant, sandbox, tally)


def _blame(unstable: list[Candidate], changed: Variant, sandbox: Sandbox, tally: Tally) -> None:
    """Find what makes candidates unstable under `changed`, and set it as their problem."""
    for cause, variant in variants_by_cause(changed):
        for candidate in _unstable([each for each in unstable if not each.problem], sandbox, variant, tally):
            candidate.problem = (f"nondeterministic_{cause}", f"the output changes with {cause.replace('_', ' ')}")
    for candidate in unstable:
        candidate.problem = candidate.problem or ("nondeterministic", "two executions gave different outputs")


def _execute_alone(candidates: list[Candidate], sandbox: Sandbox, tally: Tally) -> None:
    """Replace the outputs of candidates by what each call gives in a process of its own."""
    inputs = {candidate.function_id: tuple(candidate.outputs) for candidate in candidates}
    outcomes = _outcomes(candidates, inputs, sandbox, tally)
    for candidate in candidates:
        candidate.outputs.clear()
        for text, outcome in outcomes.get(candidate.function_id, {}).items():
            _keep(candidate, text, outcome)


def _unstable(
    candidates: list[Candidate], sandbox: Sandbox, variant: Variant, tally: Tally, *, together: bool = False
) -> list[Candidate]:
    """Return the candidates that give other outputs than theirs under a variant."""
    inputs = {candidate.function_id: tuple(candidate.outputs) for candidate in candidates}
    outcomes = _outcomes(candidates, inputs, sandbox, tally, variant, together=together)
    return [
        candidate
        for candidate in candidates
        if any(
            not same_json(outcome.value_json, candidate.outputs[text])
            for text, outcome in outcomes.get(candidate.function_id, {}).items()
        )
    ]


def problem_of(candidate: Candidate, settings: Sampling) -> tuple[str, str] | None:
    """Return (reason, detail) when a candidate that was drawn, executed and confirmed gives no pairs, else None."""
    if candidate.problem:
        return candidate.problem
    if not candidate.outputs:
        return main_reason(candidate.draws.lost), candidate.draws.first_error or "no input was accepted"
    if len(candidate.outputs) < settings.min_pairs:
        lost = ", ".join(f"{reason} {count}" for reason, count in candidate.draws.lost.most_common(4))
        return "too_few_pairs", f"{len(candidate.outputs)} pair(s); lost: {lost}"
    if is_degenerate(candidate.outputs.values()) and not settings.keep_degenerate:
        return (
            "degenerate",
            f"all {len(candidate.outputs)} inputs give {next(iter(candidate.outputs.values()))[:200]}",
        )
    return None


def chosen_inputs(candidate: Candidate, cap: int) -> list[str]:
    """Return up to `cap` inputs, those with an output not seen before first, else in the order of drawing."""
    fresh: list[str] = []
    repeated: list[str] = []
    seen: set[str] = set()
    for text, output in candidate.outputs.items():
        (repeated if canonical_text(output) in seen else fresh).append(text)
        seen.add(canonical_text(output))
    return (fresh + repeated)[:cap]


def _pair_rows(candidate: Candidate, cap: int) -> list[Row]:
    return [
        {
            "pair_id": content_id(function_id=candidate.function_id, input_json=canonical_text(text)),
            "function_id": candidate.function_id,
            "source": candidate.source,
            "pair_index": index,
            "input_json": text,
            "output_json": candidate.outputs[text],
            "is_degenerate": is_degenerate(candidate.outputs.values()),
        }
        for index, text in enumerate(chosen_inputs(candidate, cap))
    ]
