"""Progress of a running step: in its log, as observations of its asset, and on a terminal.

What does not live here: counting (`llm.live.running`, `steps.io_pairs.Tally`).
"""

import sys
import time
from collections.abc import Callable
from typing import TextIO

import dagster as dg

from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.llm.contract import Progress

LOG_EVERY_S = 10.0
OBSERVE_EVERY_S = 60.0
"""An observation stays in Dagster's storage for good: a run of a day makes 1,440 of them."""


def progress_line(progress: Progress) -> str:
    """Return the state of a batch in one line for people."""
    parts = [
        f"{progress.done:,}/{progress.total:,} requests ({progress.replayed:,} from the journal)",
        f"{progress.left:,} left",
        f"{progress.failed:,} failed",
        f"{progress.rate:,.0f} tokens/s",
    ]
    if progress.cost:
        parts.append(f"cost {progress.cost:,.4f}")
    if progress.left and progress.eta_s is not None:
        parts.append(f"{_duration(progress.eta_s)} to go")
    return ", ".join(parts)


def observation_metadata(progress: Progress) -> dict[str, dg.MetadataValue]:
    """Return the state of a batch as metadata of an observation."""
    numbers: dict[str, int | float | None] = {
        "done": progress.done,
        "left": progress.left,
        "replayed": progress.replayed,
        "failed": progress.failed,
        "completion_tokens": progress.completion_tokens,
        "completion_tokens_per_s": round(progress.rate, 1),
        "cost": round(progress.cost, 6),
        "eta_s": None if progress.eta_s is None else round(progress.eta_s),
    }
    return {
        f"{keys.PREFIX}{name}": dg.MetadataValue.float(value)
        if isinstance(value, float)
        else dg.MetadataValue.int(value)
        for name, value in numbers.items()
        if value is not None
    }


def report_progress(
    context: dg.AssetExecutionContext, asset: str, terminal: TextIO | None = None
) -> Callable[[Progress], None]:
    """Return a callback that tells the state of a batch.

    To the log every ten seconds and at its end, as an observation of the asset every minute, to a terminal always.
    """
    shown = terminal or sys.stderr
    log_is_due, observation_is_due = Every(LOG_EVERY_S), Every(OBSERVE_EVERY_S)

    def observe(progress: Progress) -> None:
        metadata = observation_metadata(progress)
        context.log_event(dg.AssetObservation(asset, partition=partition_of(context), metadata=metadata))

    def report(progress: Progress) -> None:
        ended = progress.left == 0
        if shown.isatty():
            shown.write(f"\r\033[K{'' if ended else progress_line(progress)}")
            shown.flush()
        if log_is_due() or ended:
            context.log.info(progress_line(progress))
        if not ended and progress.sent and observation_is_due():
            observe(progress)

    return report


def log_execution(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    """Return a callback that writes a line to the log of the step, at most every ten seconds."""
    is_due = Every(LOG_EVERY_S)
    is_due()  # a step that is over sooner needs no progress

    def say(line: str) -> None:
        if is_due():
            context.log.info(line)

    return say


class Every:
    """Says yes at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: float | None = None

    def __call__(self) -> bool:
        """Tell whether it is time again."""
        now = time.monotonic()
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
