"""Reading the items of a source: files of a directory, lines of a JSONL file, rows of a Parquet file.

What lives here: one pass over a source that gives each item's identity and, where wanted, its content or the reason
why it has none. What does not: shards (`shards`), eligibility (`core.method.raw_code`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types; rows of strangers are checked by hand)

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

from codeio_assets.core.settings.project import Fields, Reading, SettingsError
from codeio_assets.core.values.canonical import canonical_json, sha256_hex


@dataclass(frozen=True, slots=True)
class RawItem:
    """One item of a source. Either `content` or `reason` is set.

    `item_sha256` is the hash of the item as it stands in the source (bytes of the file, of the line, canonical JSON
    of the row); `content_sha256` the hash of the code in it.
    """

    path: str
    item_sha256: str
    content_sha256: str
    size_bytes: int
    content: str | None = None
    repository: str | None = None
    license: str | None = None
    reason: str | None = None
    detail: str = ""


def source_files(name: str, source: Reading, base: Path) -> list[Path]:
    """Return the files of a source, sorted.

    Raises:
        SettingsError: the folder or file does not exist.
    """
    root = base / source.path
    if source.kind == "directory":
        if not root.is_dir():
            raise SettingsError(f"source {name}: the folder {root} does not exist. Correct `path` in sources.yaml.")
        return sorted(path for path in root.glob(source.glob) if path.is_file())
    if not root.is_file():
        raise SettingsError(f"source {name}: the file {root} does not exist. Correct `path` in sources.yaml.")
    return [root]


def read_items(source: Reading, base: Path, path: Path) -> Iterator[RawItem]:
    """Yield the items of one file of a source; broken ones carry a reason and are never skipped.

    Reasons: `too_large`, `undecodable`, `unreadable`, `broken_json`, `missing_field`.

    Raises:
        SettingsError: a JSONL or Parquet file, which holds many items, cannot be read at all.
    """
    if source.kind == "directory":
        yield _read_file(source, base, path)
    elif source.kind == "jsonl":
        yield from _read_jsonl(source, path)
    else:
        yield from _read_parquet(source, path)


def _read_file(source: Reading, base: Path, path: Path) -> RawItem:
    name = _storable(path.relative_to(base / source.path).as_posix())
    try:
        size = path.stat().st_size
        if size > source.max_bytes:
            identity = sha256_hex(f"{name}:{size}:{path.stat().st_mtime_ns}")
            return _too_large(name, identity, size, source)
        data = path.read_bytes()
    except OSError as error:
        return RawItem(name, sha256_hex(name), sha256_hex(b""), 0, reason="unreadable", detail=str(error.strerror))
    sha256 = sha256_hex(data)
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"not UTF-8 at byte {error.start}"
        return RawItem(name, sha256, sha256, len(data), reason="undecodable", detail=detail)
    return RawItem(name, sha256, sha256, len(data), content, source.repository, source.license)


def _too_large(name: str, identity: str, size: int, source: Reading) -> RawItem:
    detail = f"{size:,} bytes, more than max_bytes = {source.max_bytes:,}"
    return RawItem(name, identity, identity, size, reason="too_large", detail=detail)


def _read_jsonl(source: Reading, path: Path) -> Iterator[RawItem]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                line = line.strip()
                if line:
                    yield _read_line(source, f"{path.name}:{number}", line)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}). Check the file and its rights.") from error


def _read_line(source: Reading, where: str, line: bytes) -> RawItem:
    sha256 = sha256_hex(line)
    if len(line) > source.max_bytes:
        return _too_large(where, sha256, len(line), source)
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        return RawItem(where, sha256, sha256, len(line), reason="undecodable", detail=f"not UTF-8: {error.reason}")
    except (ValueError, RecursionError) as error:
        return RawItem(where, sha256, sha256, len(line), reason="broken_json", detail=str(error))
    return _read_row(source, where, sha256, row, len(line))


def _read_parquet(source: Reading, path: Path) -> Iterator[RawItem]:
    try:
        for number, row in enumerate(_parquet_rows(source.fields, path), start=1):
            text = canonical_json({key: str(value) for key, value in row.items()})
            yield _read_row(source, f"{path.name}:{number}", sha256_hex(text), row, len(text.encode()))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise SettingsError(f"{path}: is not a readable Parquet file ({reason}). Write it anew.") from error


def _parquet_rows(fields: Fields, path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        columns = [name for name in _wanted(fields) if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=256, columns=columns):
            yield from batch.to_pylist()


def _wanted(fields: Fields) -> tuple[str | None, ...]:
    return fields.content, fields.path, fields.repository, fields.license


def _read_row(source: Reading, where: str, sha256: str, row: Any, size: int) -> RawItem:
    fields = source.fields
    content = row.get(fields.content) if isinstance(row, dict) else None
    if not isinstance(content, str):
        detail = f"no text in the field {fields.content!r}"
        return RawItem(where, sha256, sha256, size, reason="missing_field", detail=detail)
    data = content.encode("utf-8", "surrogatepass")
    if len(data) > source.max_bytes:
        return _too_large(where, sha256, len(data), source)
    try:
        content.encode()
    except UnicodeEncodeError as error:
        detail = f"a lone surrogate at character {error.start}"
        return RawItem(where, sha256, sha256_hex(data), size, reason="undecodable", detail=detail)
    path = row.get(fields.path)
    return RawItem(
        _storable(path) if isinstance(path, str) and path else where,
        sha256,
        sha256_hex(data),
        len(data),
        content,
        _text(row, fields.repository) or source.repository,
        _text(row, fields.license) or source.license,
    )


def _text(row: dict[str, Any], field: str | None) -> str | None:
    value = row.get(field) if field else None
    return _storable(value) if isinstance(value, str) and value else None


def _storable(text: str) -> str:
    """Return a text with lone surrogates, which UTF-8 cannot hold, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
