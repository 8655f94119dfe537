from typing import Any

import dagster as dg
import pytest

from codeio_assets.llm import Progress
from codeio_assets.running.progress import observation_metadata, progress_line, report_progress

HALF = Progress(total=100, done=50, replayed=10, failed=2, completion_tokens=4_000, elapsed_s=80.0, cost=0.5)


class Context:
    """What the reporter uses of a step's context."""

    partition_key, has_partition_key = "s-0001", True

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Any] = []
        self.log = self

    def info(self, line: str) -> None:
        self.lines.append(line)

    def log_event(self, event: Any) -> None:
        self.events.append(event)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (
            HALF,
            "50/100 requests (10 from the journal), 50 left, 2 failed, 50 tokens/s, cost 0.5000, 1 min 40 s to go",
        ),
        (Progress(5, 5, 5, 0, 0, 0.1), "5/5 requests (5 from the journal), 0 left, 0 failed, 0 tokens/s"),
        (
            Progress(9_000, 1, 0, 0, 3, 10.0),
            "1/9,000 requests (0 from the journal), 8,999 left, 0 failed, 0 tokens/s, 24 h 59 min to go",
        ),
    ],
)  # fmt: skip
def test_one_line_tells_the_state(progress: Progress, said: str) -> None:
    assert progress_line(progress) == said


def test_an_observation_has_the_numbers() -> None:
    shown = {name: value.value for name, value in observation_metadata(HALF).items()}
    assert shown == {
        "codeio/done": 50, "codeio/left": 50, "codeio/replayed": 10, "codeio/failed": 2,
        "codeio/completion_tokens": 4000,
        "codeio/completion_tokens_per_s": 50.0, "codeio/cost": 0.5, "codeio/eta_s": 100,
    }  # fmt: skip
    assert "codeio/eta_s" not in observation_metadata(Progress(2, 0, 0, 0, 0, 0.0))


def test_observations_are_rate_limited_and_the_end_is_logged() -> None:
    context, told = Context(), list[str]()
    report = report_progress(context, "predictions", told.append)  # type: ignore[arg-type]
    for done in range(1, 100):
        report(Progress(100, done, 0, 0, done, 1.0))
    assert (len(told), len(context.lines), len(context.events)) == (99, 0, 1)
    (event,) = context.events
    assert isinstance(event, dg.AssetObservation)
    assert (event.asset_key.to_user_string(), event.partition) == ("predictions", "s-0001")
    report(Progress(100, 100, 0, 0, 100, 1.0))
    assert context.lines == ["100/100 requests (0 from the journal), 0 left, 0 failed, 100 tokens/s"]
