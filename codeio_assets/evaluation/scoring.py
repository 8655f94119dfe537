"""Scoring responses: each in a process under limits, and in the sandbox where an answer must be executed.

What lives here: verdicts for responses and their questions, in order. What does not: what is right (`benchmarks`),
and reading lines (`batch.scoring`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import NO_GOLD, Execution, Question, Verdict, cut_off
from codeio_assets.benchmarks.cruxeval.functions import ENTRY, program, settle
from codeio_assets.benchmarks.drop import score_spans
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.evaluation.guarded import GuardedPool, ItemLimits
from codeio_assets.sandbox.contract import Job, Limits, Outcome, Sandbox, SandboxUnavailable

CHUNK: Final = 1_000
"""Responses that are held at a time while the sandbox executes their answers."""
MAX_RESPONSE_CHARS: Final = 2_000_000
"""What is read of a response: its end. The longest published ones have some 60,000 characters."""
EXECUTION_LIMITS: Final = Limits(cpu_s=3.0)
"""CRUXEval gives an assertion 3 seconds."""


_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its question, None where the question is not known.

    `spans` stand in for a text where an answer was given as spans (DROP). `is_cut_off` says that the model stopped at
    its token limit.
    """

    benchmark: str
    text: str
    question: Question | None
    spans: tuple[str, ...] | None = None
    is_cut_off: bool = False


def score_one(response: Response) -> Verdict | Execution:
    """Judge one response, or say what must be executed for it."""
    if response.question is None:
        return NO_GOLD
    if response.spans is not None:
        return score_spans(response.spans, response.question)
    return BENCHMARKS[response.benchmark].score(response.text[-MAX_RESPONSE_CHARS:], response.question)


@dataclass(slots=True)
class Scorer:
    """Scores responses in processes; a sandbox is opened when the first answer must be executed.

    `open_sandbox` is given the limits of one execution.
    """

    open_sandbox: Callable[[Limits], Sandbox]
    workers: int
    limits: ItemLimits = field(default_factory=ItemLimits)
    _sandbox: Sandbox | None = None

    def score(self, responses: Iterable[Response]) -> Iterator[Verdict]:
        """Yield a verdict per response, in order.

        Raises:
            SandboxUnavailable: an answer must be executed and cannot be on this machine.
        """
        iterator = iter(responses)
        with GuardedPool[Response, "Verdict | Execution"](score_one, self.workers, self.limits) as pool:
            while chunk := list(islice(iterator, CHUNK)):
                found = [_LIMIT_REACHED if each is None else each for each in pool.map(chunk)]
                for response, verdict in zip(chunk, self._executed(found), strict=True):
                    yield cut_off(verdict) if response.is_cut_off else verdict

    def _executed(self, found: list[Verdict | Execution]) -> list[Verdict]:
        """Return the verdicts, those of executions among them; equal ones are executed once."""
        executions = {_key(each): each for each in found if isinstance(each, Execution)}
        values = self._values(list(executions.values())) if executions else {}
        return [settle(each, values[_key(each)]) if isinstance(each, Execution) else each for each in found]

    def _values(self, executions: list[Execution]) -> dict[_Key, list[str | None]]:
        """Return the values of each execution's expressions, None for one that has none."""
        jobs = (
            Job(
                str(number), program(each), ENTRY, [canonical_json({"number": n}) for n in range(len(each.expressions))]
            )
            for number, each in enumerate(executions)
        )
        outcomes = {int(job.job_id): found for job, found in self._opened().run_many(jobs)}
        return {_key(each): [_value(one) for one in outcomes[n]] for n, each in enumerate(executions)}

    def _opened(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = self.open_sandbox(EXECUTION_LIMITS)
        return self._sandbox

    def close(self) -> None:
        """Close the sandbox, if there is one."""
        if self._sandbox is not None:
            self._sandbox.close()


_LIMIT_REACHED: Final = Verdict("wrong", 0.0, None, {"reason": "scoring_limit"})
"""A response on which a scorer took more than its time or memory."""


def _key(execution: Execution) -> _Key:
    return execution.code, execution.expressions


def _value(outcome: Outcome) -> str | None:
    """Return an expression's value, None where it has none.

    Raises:
        SandboxUnavailable: the machine failed, not the expression.
    """
    if outcome.status == "infrastructure":
        raise SandboxUnavailable(f"an answer could not be executed: {outcome.message}; score again")
    return outcome.value_json
