"""Run it here: one call of a function, or the verdict on an answer that somebody typed, in the project's sandbox.

What does not live here: judging (`core.method.verdicts`), isolation (`sandbox`).
"""

import json
import threading
from dataclasses import dataclass

from codeio_assets.browse.differences import Piece, Pieces, compare_values, pretty
from codeio_assets.browse.items import Item, held_against
from codeio_assets.core.settings.project import Judging, SandboxSettings
from codeio_assets.core.values.canonical import Json, canonical_json
from codeio_assets.core.values.comparison import Rule, equal_values
from codeio_assets.core.values.decoding import Undecodable, decode_json
from codeio_assets.sandbox import Job, Limits, Outcome, WorkerPool, find_interpreter, open_sandbox
from codeio_assets.steps.executing import REFERENCE, Claim, execute, judge_claims

LONGEST_INPUT = 100_000


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a try, for a page or a terminal."""

    name: str
    status: str
    words: str
    got: Pieces
    message: str = ""


class Trial:
    """A sandbox that is opened when it is first needed, and runs one call at a time."""

    def __init__(self, sandbox: SandboxSettings, judging: Judging) -> None:
        self._settings = sandbox
        self._rule: Rule = judging.rule
        self._pool: WorkerPool | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Stop the worker, if there is one."""
        with self._lock:
            if self._pool:
                self._pool.close()
            self._pool = None

    def execute(self, item: Item, typed: str) -> Result:
        """Run the item's function on an input as it was typed; a task's pair says what was wanted."""
        arguments = _object(typed)
        if isinstance(arguments, Result):
            return arguments
        outcome = self._run(item, arguments)
        if outcome.status != "ok" or outcome.value_json is None:
            words = f"{outcome.status.replace('_', ' ')} {outcome.error_type or ''}".strip()
            return Result("execute", outcome.status, words, [], outcome.message or "")
        if item.pair is None or item.task is None:
            return Result("execute", "ok", f"in {outcome.cpu_s:.3f} s of CPU", [Piece(pretty(outcome.value_json))])
        wanted = item.pair["output_json"]
        is_same = equal_values(json.loads(wanted), json.loads(outcome.value_json), self._rule)
        words = "gives the output of the pair" if is_same else "gives another output than the pair's"
        return Result("execute", "ok", words, compare_values(wanted, outcome.value_json, self._rule)[1])

    def judge(self, item: Item, answer: str) -> Result:
        """Judge an answer to a task by the project's rule, executing a predicted input."""
        if item.task is None or item.pair is None:
            return Result("judge", "no_answer", "there is no pair to judge by", [])
        wanted, direction = item.pair["output_json"], item.task["direction"]
        code = item.function["reference_code"] if item.function else ""
        claim = Claim("here", direction, "answered", answer, wanted, code)
        with self._lock:
            (verdict,) = judge_claims([claim], self._opened(), self._rule)
        found = {"predicted_json": verdict.predicted_json, "executed_output_json": verdict.executed_output_json}
        got = held_against(direction, found, item.pair)[1]
        told = "" if verdict.status == "correct" else verdict.feedback
        return Result("judge", verdict.status, verdict.error_type or "", got, told)

    def _run(self, item: Item, arguments: str) -> Outcome:
        assert item.function is not None
        job = Job("here", item.function["reference_code"], calls=(arguments,), variant=REFERENCE)
        with self._lock:
            ((_, (outcome,)),) = execute([job], self._opened())
        return outcome

    def _opened(self) -> WorkerPool:
        if self._pool is None:
            one = self._settings
            limits = Limits(cpu_s=one.cpu_s, wall_s=one.wall_s, memory_mib=one.memory_mib)
            self._pool = open_sandbox(limits, 1, one.isolation, find_interpreter(one.python, one.packages))
        return self._pool


def _object(typed: str) -> str | Result:
    """Return what was typed as canonical JSON, or why it is no input."""
    if len(typed) > LONGEST_INPUT:
        return Result("execute", "no_answer", f"more than {LONGEST_INPUT:,} characters", [])
    try:
        value: Json = decode_json(typed)
    except Undecodable as error:
        return Result("execute", "no_answer", f"no JSON: {error}", [])
    if not isinstance(value, dict):
        return Result("execute", "no_answer", 'an input is an object of arguments, such as {"a": 1}', [])
    return canonical_json(value)
