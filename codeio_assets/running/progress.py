"""How far a step is that asks a model: in words, and as observations of its asset.

What does not live here: counting (`llm.live.running`), where and how often words are told (`lifecycle.heartbeat`).
"""

import time
from collections.abc import Callable

import dagster as dg

from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.lifecycle.heartbeat import duration
from codeio_assets.llm.contract import Progress

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
        parts.append(f"{duration(progress.eta_s)} to go")
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
    context: dg.AssetExecutionContext, asset: str, tell: Callable[[str], None]
) -> Callable[[Progress], None]:
    """Return a callback that tells the state of a batch.

    Its end goes to the log at once; every minute makes an observation of the asset.
    """
    observation_is_due = Every(OBSERVE_EVERY_S)

    def report(progress: Progress) -> None:
        tell(progress_line(progress))
        if progress.left == 0:
            context.log.info(progress_line(progress))
        elif progress.sent and observation_is_due():
            metadata = observation_metadata(progress)
            context.log_event(dg.AssetObservation(asset, partition=partition_of(context), metadata=metadata))

    return report


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
