"""Money and tokens: what answers cost, and when a budget is spent.

What lives here: prices, budgets, the meter of a batch, and the ledger, which reads what was spent from the journal
itself: the journal is where every paid answer is, whichever process asked and however it ended.
What does not: predicting costs (`products.estimate`), tables of usage (`running.asking`).
"""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codeio_assets.llm.contract import ChatRequest, ChatResponse
from codeio_assets.llm.journal.lines import CorruptLine, line_key
from codeio_assets.llm.journal.segments import Segments, lines_of

REFRESH_S = 5.0
"""How often the ledgers look at what other processes have spent."""


@dataclass(frozen=True, slots=True)
class Price:
    """Money per million tokens; `cached_input` is for prompt tokens that the server had in its cache."""

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Return what an answer costs."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1e6


FREE = Price()


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bounds; None means none. Tokens are prompt and completion tokens together; a day is one of UTC."""

    run_tokens: int | None = None
    run_cost: float | None = None
    day_tokens: int | None = None
    day_cost: float | None = None


@dataclass(slots=True)
class Spending:
    """Tokens and money that went."""

    tokens: int = 0
    cost: float = 0.0

    def add(self, tokens: int, cost: float) -> None:
        """Count one answer."""
        self.tokens += tokens
        self.cost += cost


@dataclass(slots=True)
class Ledger:
    """What the recorded answers of a journal cost, of one run or from a moment on.

    Args:
        segments: of the journal.
        prices: by the model that requests name; others are free.
        label: count only segments of this label; None counts all.
        since: count only answers from then on.
    """

    segments: Segments
    prices: Mapping[str, Price]
    label: str | None = None
    since: datetime | None = None
    spent: Spending = field(default_factory=Spending)
    _read_up_to: dict[Path, int] = field(default_factory=dict[Path, int])

    def refresh(self) -> Spending:
        """Read what was recorded since the last time and return all that was spent."""
        paths = [path for path in self.segments.paths() if self._concerns(path)]
        self.segments.fetch(path for path in paths if path not in self._read_up_to)
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # merged or pruned meanwhile, or read and no longer needed
                self._read(path)
        return self.spent

    def _concerns(self, path: Path) -> bool:
        if self.label is not None and f"-{self.label}-" not in path.name:
            return False
        return self.since is None or self.segments.last_written(path) >= self.since.timestamp()

    def _read(self, path: Path) -> None:
        for offset, line in lines_of(path, self._read_up_to.get(path, 0)):
            if not line.endswith(b"\n"):
                return
            self._read_up_to[path] = offset + len(line)
            try:
                line_key(line)
            except CorruptLine:
                continue
            record: dict[str, Any] = json.loads(line)
            answer = record["response"]
            if self.since is None or _moment(answer["created_at"]) >= self.since:
                price = self.prices.get(record["request"]["model"], FREE)
                counts = answer["prompt_tokens"], answer["completion_tokens"]
                self.spent.add(sum(counts), price.cost(*counts, answer.get("cached_tokens", 0)))


class Meter:
    """Counts what a client spends, and tells when a budget is spent.

    Requests in flight at that moment are waited for, so a budget can be passed by what they cost.
    """

    def __init__(
        self,
        price: Price = FREE,
        budget: Budget = Budget(),
        run: Callable[[], Spending] = Spending,
        day: Callable[[], Spending] = Spending,
    ) -> None:
        """Take the price of the model and the ledgers of the run and of the day, which are asked now and then."""
        self._price = price
        self._budget = budget
        self._ledgers = {"run": run, "day": day}
        self._before = {name: Spending() for name in self._ledgers}
        self._own = Spending()
        self._looked_at = float("-inf")

    def start(self) -> None:
        """Look at the ledgers before a batch."""
        self._look()

    def add(self, response: ChatResponse) -> float:
        """Count one answer and return its cost."""
        cost = self._price.cost(response.prompt_tokens, response.completion_tokens, response.cached_tokens)
        self._own.add(response.prompt_tokens + response.completion_tokens, cost)
        return cost

    @property
    def is_spent(self) -> bool:
        """Whether no further request may be sent."""
        if time.monotonic() - self._looked_at > REFRESH_S:
            self._look()
        return self._reason() is not None

    def spent_on(self, requests: Sequence[ChatRequest], answers: Mapping[str, ChatResponse]) -> str | None:
        """Return the message of a budget that ended a batch before its end, None when it did not."""
        reason, left = self._reason(), len(requests) - len(answers)
        if reason is None or not left:
            return None
        return (
            f"{reason}; {len(answers)} of {len(requests)} requests were answered and are in the journal. Raise "
            "`chat.budget` in codeio.yaml, or wait where it is that of a day; a re-run asks only for what is missing"
        )

    def _look(self) -> None:
        if self._budget == Budget():
            return
        self._looked_at = time.monotonic()
        self._before = {name: Spending(was.tokens, was.cost) for name, was in self._asked()}
        self._own = Spending()

    def _asked(self) -> list[tuple[str, Spending]]:
        return [(name, ledger()) for name, ledger in self._ledgers.items()]

    def _reason(self) -> str | None:
        budget = self._budget
        bounds = {"run": (budget.run_tokens, budget.run_cost), "day": (budget.day_tokens, budget.day_cost)}
        for name, (tokens, cost) in bounds.items():
            before = self._before[name]
            if tokens is not None and before.tokens + self._own.tokens >= tokens:
                return f"the budget of the {name} is spent: {tokens:,} tokens"
            if cost is not None and before.cost + self._own.cost >= cost:
                return f"the budget of the {name} is spent: {cost:g} of money"
        return None


def ledger_meter(
    segments: Segments, model: str, prices: Mapping[str, Price], budget: Budget, label: str | None = None
) -> Meter:
    """Return a meter whose ledgers are the journal's: of the segments of one label, and of the day (UTC)."""
    run = Ledger(segments, prices, label=label) if label else None
    return Meter(
        prices.get(model, FREE), budget, run.refresh if run else Spending, _DayLedger(segments, prices).refresh
    )


@dataclass(slots=True)
class _DayLedger:
    """The ledger of today, whenever that is."""

    segments: Segments
    prices: Mapping[str, Price]
    ledger: Ledger | None = None

    def refresh(self) -> Spending:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.ledger is None or self.ledger.since != midnight:
            self.ledger = Ledger(self.segments, self.prices, since=midnight)
        return self.ledger.refresh()


def _moment(created_at: str) -> datetime:
    """Return when an answer came; answers without a time are older than any day."""
    try:
        return datetime.fromisoformat(created_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
