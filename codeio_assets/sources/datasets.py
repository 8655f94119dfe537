"""Reading a Hugging Face dataset: a name on the hub or a local folder, streamed row by row, as items or as JSONL.

What does not live here: what a row is (`reading`, `benchmarks`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (datasets has no types; rows of strangers are checked by hand)

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.project import Reading, SettingsError
from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.sources.reading import RawItem, read_row


@dataclass(frozen=True, slots=True)
class Rows:
    """One split of a dataset; `said_in` names its settings in messages."""

    dataset: str
    config: str | None
    split: str | None
    revision: str | None
    said_in: str


def read_dataset(source: Reading, base: Path) -> Iterator[RawItem]:
    """Yield the rows of a dataset, broken ones with a reason.

    Raises:
        SettingsError: the package, the dataset, its configuration, split or revision is not there; the hub's own words.
    """
    assert source.dataset is not None  # the settings have seen to it
    local = base / source.dataset
    name = str(local) if local.is_dir() else source.dataset
    fields = source.fields
    wanted = [field for field in (fields.content, fields.path, fields.repository, fields.license) if field]
    said_in = "`dataset`, `dataset_config`, `dataset_split` and `revision` in sources.yaml"
    rows = Rows(name, source.dataset_config, source.dataset_split, source.revision, said_in)
    for number, row in enumerate(_rows(rows), start=1):
        kept = {field: row[field] for field in wanted if field in row}
        text = canonical_json({field: str(value) for field, value in kept.items()})
        yield read_row(source, f"{source.dataset}:{number}", sha256_hex(text), kept, len(text.encode()))


def save_rows(wanted: Rows, path: Path) -> None:
    """Append the rows of a dataset to a JSONL file.

    Raises:
        SettingsError: as in `read_dataset`.
    """
    with path.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, default=str) + "\n" for row in _rows(wanted))


def _rows(wanted: Rows) -> Iterator[dict[str, Any]]:
    try:
        import datasets  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise SettingsError("a dataset needs the package datasets: pip install datasets.") from error
    try:
        rows: Any = datasets.load_dataset(
            wanted.dataset, wanted.config, split=wanted.split, revision=wanted.revision, streaming=True
        )
        yield from (dict(row) for row in rows)
    except (OSError, ValueError, RuntimeError) as error:
        told = str(error).split("\n", 1)[0]
        raise SettingsError(
            f"the dataset {wanted.dataset!r} cannot be read: {told} Check {wanted.said_in}, and the network."
        ) from error
