"""Reading chat conversations: lines of a JSONL file, rows of a Parquet file, a dataset of the Hugging Face hub.

What does not live here: whether a conversation can be used (`steps.instruction_data`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow and datasets have no types; rows of strangers are checked by hand)

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

from codeio_assets.core.settings.project import InstructionSource, SettingsError
from codeio_assets.core.values.canonical import sha256_hex


@dataclass(frozen=True, slots=True)
class RawConversation:
    """One line or row: where it stands, its identity, and its `messages`, or why they could not be read."""

    where: str
    item_sha256: str
    messages: Any = None
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
        path = base / source.path
        if not path.is_file():
            raise SettingsError(f"instruction data {name}: {path} does not exist. Correct `path` in sources.yaml.")
        rows = _lines(path) if source.kind == "jsonl" else _parquet_rows(name, path)
    yield from islice(rows, source.limit)


def _lines(path: Path) -> Iterator[RawConversation]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.strip()
            if not line:
                continue
            where, sha256 = f"{path.name}:{number}", sha256_hex(line)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield RawConversation(where, sha256, broken=str(error))
            else:
                yield RawConversation(where, sha256, row.get("messages") if isinstance(row, dict) else None)


def _parquet_rows(name: str, path: Path) -> Iterator[RawConversation]:
    try:
        with pq.ParquetFile(path) as file:
            numbered = 0
            for batch in file.iter_batches(batch_size=1_024, columns=["messages"]):
                for row in batch.to_pylist():
                    numbered += 1
                    yield _row(f"{path.name}:{numbered}", row.get("messages"))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise SettingsError(f"instruction data {name}: {path} is not readable Parquet ({reason}).") from error


def _hub_rows(name: str, source: InstructionSource) -> Iterator[RawConversation]:
    import datasets  # pyright: ignore[reportMissingTypeStubs]

    try:
        rows = datasets.load_dataset(
            str(source.dataset), split=source.dataset_split, revision=source.revision, streaming=True
        )
        for number, row in enumerate(rows, start=1):
            yield _row(f"{source.dataset}:{number}", dict(row).get("messages"))
    except (OSError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise SettingsError(
            f"instruction data {name}: the dataset {source.dataset!r} cannot be read from the hub ({reason}). "
            "Check the name and the network, or download it and use kind: parquet."
        ) from error


def _row(where: str, messages: Any) -> RawConversation:
    return RawConversation(where, sha256_hex(json.dumps(messages, default=str)), messages)
