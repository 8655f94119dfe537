"""Progress of a running step, in its log."""

import time
from collections.abc import Callable

import dagster as dg

from codeio_assets.llm.contract import Progress

EVERY_S = 10.0


def log_progress(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Return a callback that logs the state of a batch of requests, at most every ten seconds and at its end."""
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.done < progress.total and now - last < EVERY_S:
            return
        last = now
        context.log.info(
            f"{progress.done}/{progress.total} requests, {progress.replayed} from the journal, "
            f"{progress.failed} failed, {progress.rate:.0f} tokens/s"
        )

    return report
