"""Reading chat conversations: lines of a JSONL file, rows of a Parquet file, a dataset of the Hugging Face hub.

What does not live here: whether a conversation can be used (`steps.instruction_data`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from codeio_assets.core.settings.project import InstructionSource, SettingsError
from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.core.values.decoding import Undecodable, decode_json
from codeio_assets.sources.datasets import stream
from codeio_assets.sources.files import lines_of, named_file
from codeio_assets.sources.parquet_rows import parquet_rows

MAX_LINE_BYTES = 16 << 20
"""A conversation is text of a few pages."""


@dataclass(frozen=True, slots=True)
class RawConversation:
    """One line or row: where it stands, its identity, and its `messages`, or why they could not be read."""

    where: str
    item_sha256: str
    messages: object = None
    broken: str | None = None


def read_conversations(name: str, source: InstructionSource, base: Path) -> Iterator[RawConversation]:
    """Yield every conversation of a source, broken ones too.

    Raises:
        SettingsError: the file does not exist or cannot be read, or the hub cannot be reached.
    """
    if source.kind == "hub":
        rows = _hub_rows(name, source)
    else:
        assert source.path is not None  # the settings have seen to it
        path = named_file(base / source.path, f"instruction data {name}")
        rows = _lines(path) if source.kind == "jsonl" else _parquet_rows(name, path)
    yield from islice(rows, source.limit)


def _lines(path: Path) -> Iterator[RawConversation]:
    for line in lines_of(path, MAX_LINE_BYTES):
        where = f"{path.name}:{line.number}"
        if line.data is None:
            yield RawConversation(where, line.sha256, broken=f"takes more than {MAX_LINE_BYTES:,} bytes")
            continue
        try:
            row = decode_json(line.data)
        except Undecodable as error:
            yield RawConversation(where, line.sha256, broken=str(error))
        else:
            yield RawConversation(where, line.sha256, row.get("messages") if isinstance(row, dict) else None)


def _parquet_rows(name: str, path: Path) -> Iterator[RawConversation]:
    for number, row in enumerate(parquet_rows(path, ["messages"], f"instruction data {name}"), start=1):
        yield _row(f"{path.name}:{number}", row.get("messages"))


def _hub_rows(name: str, source: InstructionSource) -> Iterator[RawConversation]:
    try:
        rows = stream(str(source.dataset), None, split=source.dataset_split, revision=source.revision)
        for number, row in enumerate(rows, start=1):
            yield _row(f"{source.dataset}:{number}", row.get("messages"))
    except (OSError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise SettingsError(
            f"instruction data {name}: the dataset {source.dataset!r} cannot be read from the hub ({reason}). "
            "Check the name and the network, or download it and use kind: parquet."
        ) from error


def _row(where: str, messages: object) -> RawConversation:
    return RawConversation(where, sha256_hex(json.dumps(messages, default=str)), messages)
