"""Judging completions from a warm sandbox in this process, for callers in threads and in coroutines.

What lives here: who is executed when. What does not: the rule (`core.method.verdicts`), isolation (`sandbox`).
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from codeio_assets.core.method.verdicts import (
    Direction,
    Judgement,
    Status,
    judge_input,
    judge_output,
    read_input_answer,
)
from codeio_assets.core.values.comparison import Rule
from codeio_assets.rewards.places import Places
from codeio_assets.rewards.shaping import UNSHAPED, Shaping, partial_credit
from codeio_assets.sandbox import Job, Limits, Outcome, WorkerPool, open_sandbox
from codeio_assets.sandbox.workers import IsolationName, WorkerKey
from codeio_assets.steps.executing import REFERENCE

QUEUE: Final = 256
"""Executions that run or wait for a worker; more callers than that wait for a place."""
WORKERS_VARIABLE: Final = "CODEIO_REWARD_WORKERS"
"""Workers of the judge that a process shares; one per core if unset."""
_CLOSED: Final = "the judge is closed"


@dataclass(frozen=True, slots=True)
class Question:
    """What a completion answers: a task as it is exported.

    `target_json` is the output of the pair as JSON, in both directions. `code` is executed with a predicted input, and
    not needed where an output is predicted.
    """

    direction: Direction
    target_json: str
    code: str = ""
    entry: str = "main_solution"


@dataclass(frozen=True, slots=True)
class Reward:
    """What a completion is worth: 1 for a right answer, 0 (or partial credit) for any other, None to abstain.

    None means that the machine was at fault and says nothing about the completion. Values are canonical JSON.
    """

    value: float | None
    status: Status
    predicted_json: str | None = None
    executed_output_json: str | None = None
    feedback: str = ""


@dataclass(slots=True)
class _Execution:
    """A predicted input on its way through the sandbox."""

    number: int
    predicted_json: str
    outcome: "Future[list[Outcome]]" = field(default_factory=lambda: Future())


class RewardJudge:
    """Judges completions by our own rule; any number of threads and coroutines may call it at the same time.

    Every predicted input runs in a process of its own, in a sandbox whose workers are started here and kept. At most
    `queue` executions run or wait; callers beyond that wait for a place, in turn. Limits are those of the verdicts, so
    that a completion is worth what the pipeline would say of it.
    """

    def __init__(
        self,
        *,
        shaping: Shaping = UNSHAPED,
        rule: Rule = "default",
        limits: Limits | None = None,
        workers: int | None = None,
        isolation: IsolationName = "bubblewrap",
        queue: int = QUEUE,
    ) -> None:
        """Open the sandbox and start its workers.

        Args:
            shaping: partial credit for wrong answers; none by default.
            rule: rule of comparison.
            limits: what one execution may use.
            workers: executions at the same time; one per core if None.
            isolation: "none" runs programs with nothing between them and this machine.
            queue: executions that run or wait at most.

        Raises:
            SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
        """
        self._shaping = shaping
        self._rule: Rule = rule
        self._sandbox: WorkerPool = open_sandbox(limits, workers, isolation)
        try:
            self._sandbox.warm(*[WorkerKey("light", REFERENCE.hash_seed)] * self._sandbox.workers)
        except BaseException:
            self._sandbox.close()
            raise
        self._places = Places(queue)
        self._threads = ThreadPoolExecutor(self._sandbox.workers, "reward")
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers; executions that wait end as errors of their callers."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._sandbox.close()

    def judge(self, questions: Sequence[Question], completions: Sequence[str]) -> list[Reward]:
        """Return the reward of each completion, in order; the thread waits.

        Raises:
            ValueError: not as many completions as questions.
            SandboxUnavailable: no worker can be started.
            RuntimeError: the judge is closed.
        """
        judged, executions = self._read(questions, completions)
        for execution in executions:
            self._places.take()
            self._start(execution, questions[execution.number])
        for execution in executions:
            [outcome] = execution.outcome.result()
            judged[execution.number] = self._judge_executed(execution, questions[execution.number], outcome)
        return self._rewards(questions, completions, judged)

    async def judge_async(self, questions: Sequence[Question], completions: Sequence[str]) -> list[Reward]:
        """Return the reward of each completion, in order; the event loop goes on meanwhile.

        Raises:
            ValueError: not as many completions as questions.
            SandboxUnavailable: no worker can be started.
            RuntimeError: the judge is closed.
        """
        judged, executions = self._read(questions, completions)
        for execution in executions:
            await self._places.take_async()
            self._start(execution, questions[execution.number])
        for execution in executions:
            [outcome] = await asyncio.wrap_future(execution.outcome)
            judged[execution.number] = self._judge_executed(execution, questions[execution.number], outcome)
        return self._rewards(questions, completions, judged)

    def _read(
        self, questions: Sequence[Question], completions: Sequence[str]
    ) -> tuple[dict[int, Judgement], list[_Execution]]:
        """Judge what needs no execution, and return what does."""
        judged: dict[int, Judgement] = {}
        executions: list[_Execution] = []
        for number, (question, completion) in enumerate(zip(questions, completions, strict=True)):
            if question.direction == "output":
                judged[number] = judge_output("answered", completion, question.target_json, self._rule)
                continue
            answer = read_input_answer("answered", completion, self._rule)
            if isinstance(answer, Judgement):
                judged[number] = answer
            else:
                executions.append(_Execution(number, answer))
        return judged, executions

    def _start(self, execution: _Execution, question: Question) -> None:
        """Hand an execution to the sandbox; its place is given back when it ends."""
        job = Job("reward", question.code, question.entry, (execution.predicted_json,), variant=REFERENCE)
        try:
            execution.outcome = self._threads.submit(self._sandbox.run, job)
        except RuntimeError:
            self._places.give_back()
            if self._closed:
                raise RuntimeError(_CLOSED) from None
            raise
        execution.outcome.add_done_callback(lambda _: self._places.give_back())

    def _judge_executed(self, execution: _Execution, question: Question, outcome: Outcome) -> Judgement:
        return judge_input(
            execution.predicted_json,
            outcome_status=outcome.status,
            outcome_value_json=outcome.value_json,
            error_type=outcome.error_type,
            message=outcome.message,
            target_json=question.target_json,
            rule=self._rule,
        )

    def _rewards(
        self, questions: Sequence[Question], completions: Sequence[str], judged: dict[int, Judgement]
    ) -> list[Reward]:
        return [
            Reward(
                self._value(judged[number], question, completion),
                judged[number].status,
                judged[number].predicted_json,
                judged[number].executed_output_json,
                judged[number].feedback,
            )
            for number, (question, completion) in enumerate(zip(questions, completions, strict=True))
        ]

    def _value(self, judgement: Judgement, question: Question, completion: str) -> float | None:
        if judgement.status == "infrastructure":
            return None
        if judgement.status == "correct":
            return 1.0
        return partial_credit(
            self._shaping, judgement, completion, question.direction, target_json=question.target_json, rule=self._rule
        )


_shared: dict[int, RewardJudge] = {}
_sharing = threading.Lock()


def shared_judge() -> RewardJudge:
    """Return the judge that this process shares, opened at the first call and closed when the process ends.

    A forked child opens one of its own: the workers of its parent answer to the parent.

    Raises:
        SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
    """
    with _sharing:
        judge = _shared.get(os.getpid())
        if judge is None:
            workers = os.environ.get(WORKERS_VARIABLE)
            judge = _shared[os.getpid()] = RewardJudge(workers=int(workers) if workers else None)
            atexit.register(_close_own, os.getpid(), judge)
        return judge


def _close_own(owner: int, judge: RewardJudge) -> None:
    """Close a judge in the process that opened it; a forked child inherits what its parent does at its end."""
    if os.getpid() == owner:
        judge.close()


def _forget_the_lock() -> None:
    """Give a forked child a lock that nobody holds."""
    global _sharing
    _sharing = threading.Lock()


os.register_at_fork(after_in_child=_forget_the_lock)
