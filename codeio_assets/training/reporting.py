"""Where a running process tells what it does: Dagster Pipes, or lines on standard output.

What does not live here: what is told (`training.process`, `training.tokenised`), what Dagster makes of it (`running`).
"""

import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import cast

import dagster_pipes

from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.training.contract import sentence

Report = Callable[[Mapping[str, JsonLike]], None]
"""Takes a message: `kind` is memory, audit, step, evaluation, note or result; the rest are its numbers."""


@contextmanager
def reporting() -> Generator[Report]:
    """Give a place for messages: Dagster, when it launched this process through Pipes, else standard output.

    Of several processes, only the first one speaks.
    """
    if int(os.environ.get("RANK", "0")):
        yield lambda _: None
        return
    if not dagster_pipes.PipesEnvVarParamsLoader().is_dagster_pipes_process():
        yield _print_message
        return
    pipes: dagster_pipes.PipesContext
    with dagster_pipes.open_dagster_pipes() as pipes:  # pyright: ignore[reportUnknownMemberType]
        yield cast("Report", pipes.report_custom_message)  # it only writes the message as JSON


def _print_message(message: Mapping[str, JsonLike]) -> None:
    sys.stdout.write(sentence(message) + "\n")
    sys.stdout.flush()
