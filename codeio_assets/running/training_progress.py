"""What a running training process tells, as it arrives: in the step's log, and as observations of its asset.

What does not live here: what the process sends (`training.process.progress`).
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg
from dagster_pipes import PipesMessage, PipesParams

from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.lifecycle.heartbeat import duration
from codeio_assets.running.progress import OBSERVE_EVERY_S, Every
from codeio_assets.training.contract import sentence

Message = Mapping[str, Any]
OBSERVED = ("step", "max_steps", "loss", "learning_rate", "grad_norm", "tokens_per_s", "memory_bytes", "eta_s")


class StreamingReader(dg.PipesTempFileMessageReader):
    """Reads the messages of a process, and hands its own ones to a callback the moment they arrive."""

    def __init__(self, receive: Callable[[Message], None]) -> None:
        super().__init__()
        self._receive = receive

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Generator[PipesParams]:
        """Read until the session ends."""
        tapped = cast("dg.PipesMessageHandler", _Tap(handler, self._receive))
        with super().read_messages(tapped) as params:
            yield params


class _Tap:
    """A message handler that passes everything on, and custom messages to a callback besides."""

    def __init__(self, handler: dg.PipesMessageHandler, receive: Callable[[Message], None]) -> None:
        self._handler, self._receive = handler, receive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def handle_message(self, message: PipesMessage) -> None:
        self._handler.handle_message(message)
        if message["method"] == "report_custom_message":
            self._receive(cast("dict[str, Any]", message["params"])["payload"])


def observe_training(context: dg.AssetExecutionContext, tell: Callable[[str], None]) -> Callable[[Message], None]:
    """Return what to do with the messages of a training process.

    Steps are told when it is time and become an observation every minute, and so does the last; everything else goes to
    the log at once.
    """
    observation_is_due = Every(OBSERVE_EVERY_S)
    asset = context.asset_key

    def receive(message: Message) -> None:
        tell(line_of(message))
        if message["kind"] != "step":
            context.log.info(sentence(message))
            return
        if message["step"] == message["max_steps"]:
            context.log.info(line_of(message))
        elif not observation_is_due():
            return
        metadata = observation_metadata(message)
        context.log_event(dg.AssetObservation(asset, partition=partition_of(context), metadata=metadata))

    return receive


def line_of(message: Message) -> str:
    """Return a message in one line for people: of a step how far training is, its loss, speed, and the time left."""
    if message["kind"] != "step":
        return sentence(message)
    return (
        f"step {message['step']:,}/{message['max_steps']:,}, loss {message['loss']:.4f}, "
        f"{message['tokens_per_s']:,.0f} tokens/s, {duration(message['eta_s'])} to go"
    )


def observation_metadata(message: Message) -> dict[str, dg.MetadataValue]:
    """Return a step as metadata of an observation; the UI plots its numbers over time."""
    numbers = {name: message[name] for name in OBSERVED if message.get(name) is not None}
    return {
        f"{keys.PREFIX}{name}": dg.MetadataValue.int(value)
        if isinstance(value, int)
        else dg.MetadataValue.float(float(value))
        for name, value in numbers.items()
    }
