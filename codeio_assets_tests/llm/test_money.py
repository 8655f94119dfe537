"""Prices, budgets, and what the journal says was spent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codeio_assets.llm import (
    Budget,
    BudgetExhausted,
    ChatServerError,
    Journal,
    Ledger,
    Meter,
    OpenAIChatClient,
    Price,
    Progress,
    ledger_meter,
)
from codeio_assets.llm.journal.segments import FolderSegments
from codeio_assets_tests.llm.conftest import MODEL, answered, request
from codeio_assets_tests.llm.stub_server import StubServer

PRICE = Price(input=1_000, output=2_000)
"""Of the stand-in's 7 prompt and 3 completion tokens: 0.013 per answer."""


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(), 0.0),
        (Price(input=2.0), 2.0),
        (Price(output=4.0), 2.0),
        (Price(input=2.0, output=4.0, cached_input=0.5), 2.0 * 0.6 + 0.5 * 0.4 + 2.0),
    ],
)
def test_prices_are_per_million_tokens(price: Price, cost: float) -> None:
    assert price.cost(1_000_000, 500_000, 400_000) == pytest.approx(cost)


def record(journal: Journal, text: str, moment: datetime, model: str = MODEL) -> None:
    asked = replace(request(text), model=model)
    at = moment.isoformat(timespec="seconds")
    journal.append(asked, replace(answered(asked), prompt_tokens=10, completion_tokens=5, created_at=at))


def test_the_ledger_reads_the_journal_by_day_label_and_model(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    mine, other = Journal(tmp_path, label="run1"), Journal(tmp_path, label="run2")
    record(mine, "today", now)
    record(mine, "yesterday", now - timedelta(days=1))
    record(other, "other run", now, "free-model")
    ledger = Ledger(FolderSegments(tmp_path), {MODEL: PRICE})
    assert (ledger.refresh().tokens, ledger.spent.cost) == (45, pytest.approx(0.04))
    today = Ledger(FolderSegments(tmp_path), {MODEL: PRICE}, since=now - timedelta(hours=1))
    assert (today.refresh().tokens, today.spent.cost) == (30, pytest.approx(0.02))
    assert Ledger(FolderSegments(tmp_path), {}, label="run1").refresh().tokens == 30
    record(other, "more", now)
    assert ledger.refresh().tokens == 60, "only what is new is read"
    assert ledger.refresh().tokens == 60


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(run_tokens=100), "the budget of the run is spent: 100 tokens"),
        (Budget(run_cost=0.13), "the budget of the run is spent: 0.13"),
        (Budget(day_tokens=100), "the budget of the day is spent: 100 tokens"),
        (Budget(day_cost=0.13), "the budget of the day is spent: 0.13"),
    ],
)
def test_a_budget_stops_cleanly_and_keeps_what_came(
    budget: Budget, said: str, stub: StubServer, journal: Journal, tmp_path: Path
) -> None:
    requests = [request(str(number)) for number in range(50)]
    labelled = Journal(journal.folder, label="run1")

    def limited(bound: Budget) -> OpenAIChatClient:
        meter = ledger_meter(journal.segments, MODEL, {MODEL: PRICE}, bound, "run1")
        return OpenAIChatClient(stub.base_url, MODEL, labelled, concurrency=2, meter=meter)

    with pytest.raises(BudgetExhausted, match=said) as caught:
        limited(budget).complete(requests)
    assert 10 <= len(stub.asked) <= 11, "what was in flight was waited for"
    assert f"{len(stub.asked)} of 50 requests were answered and are in the journal" in str(caught.value)
    assert isinstance(caught.value, ChatServerError), "a run fails at once, without retries"
    with pytest.raises(BudgetExhausted):
        limited(budget).complete(requests)
    assert len(stub.asked) <= 11, "a second client of the run sends nothing more"
    limited(Budget()).complete(requests)
    assert len(stub.asked) == 50


def test_a_budget_that_suffices_says_nothing(stub: StubServer, client_of: Callable[..., OpenAIChatClient]) -> None:
    seen: list[Progress] = []
    client = client_of(stub, meter=Meter(PRICE, Budget(run_tokens=100)))
    assert len(client.complete([request(str(number)) for number in range(10)], seen.append)) == 10
    last = seen[-1]
    assert (last.prompt_tokens, last.completion_tokens, last.tries) == (70, 30, 10)
    assert last.cost == pytest.approx(0.13)
    assert (last.left, last.sent) == (0, 10)
    assert last.eta_s == 0


def test_the_day_of_another_run_counts(stub: StubServer, journal: Journal) -> None:
    record(Journal(journal.folder, label="other"), "spent", datetime.now(UTC))
    meter = ledger_meter(journal.segments, MODEL, {}, Budget(day_tokens=15), "mine")
    with pytest.raises(BudgetExhausted, match="of the day"):
        OpenAIChatClient(stub.base_url, MODEL, journal, meter=meter).complete([request("one")])
    assert stub.asked == []
