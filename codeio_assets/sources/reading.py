"""Reading the items of a source: files of a directory, lines of a JSONL file, rows of a Parquet file.

What lives here: one pass over a source that gives each item's identity and, where wanted, its content or the reason
why it has none. What does not: shards (`shards`), eligibility (`core.method.raw_code`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (rows of strangers are checked by hand)

import codecs
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.project import Reading, SettingsError
from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.core.values.decoding import Undecodable, decode_json, storable_text
from codeio_assets.sources.files import FileLine, Refused, lines_of, named_file, read_within
from codeio_assets.sources.parquet_rows import numbered_rows


@dataclass(frozen=True, slots=True)
class RawItem:
    """One item of a source. Either `content` or `reason` is set.

    `item_sha256` is the hash of the item as it stands in the source (bytes of the file, of the line, canonical JSON
    of the row); `content_sha256` the hash of the code in it. `at` is where a line begins, in bytes, or which row it is.
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
    at: int | None = None


def source_files(name: str, source: Reading, base: Path) -> list[Path]:
    """Return the files of a source, sorted.

    Raises:
        SettingsError: the folder or file does not exist.
    """
    if source.path is None:  # a repository or a dataset, which is one thing that holds many items
        return [base]
    root = base / source.path
    if source.kind == "directory":
        if not root.is_dir():
            raise SettingsError(f"source {name}: the folder {root} does not exist. Correct `path` in sources.yaml.")
        return sorted(
            path for path in root.glob(source.glob) if path.exists() and not path.is_dir()
        )  # devices are rejected
    return [named_file(root, f"source {name}")]


def read_items(source: Reading, base: Path, path: Path) -> Iterator[RawItem]:
    """Yield the items of one file of a source; broken ones carry a reason and are never skipped.

    Reasons: `outside_source`, `not_a_file`, `too_large`, `undecodable`, `unreadable`, `broken_json`, `missing_field`.

    Raises:
        SettingsError: a JSONL or Parquet file, which holds many items, cannot be read at all.
    """
    if source.kind == "directory":
        yield _read_file(source, base, path)
    elif source.kind == "jsonl":
        yield from _read_jsonl(source, path)
    elif source.kind == "git":
        from codeio_assets.sources.repositories import read_repository

        yield from read_repository(source, base)
    elif source.kind == "huggingface":
        from codeio_assets.sources.datasets import read_dataset

        yield from read_dataset(source, base)
    else:
        yield from _read_parquet(source, path)


def _read_file(source: Reading, base: Path, path: Path) -> RawItem:
    assert source.path is not None  # the settings have seen to it
    name = storable_text(path.relative_to(base / source.path).as_posix())
    try:
        data = read_within(base / source.path, path, source.max_bytes)
    except Refused as refused:
        size, changed = _reported(path) if refused.reason == "too_large" else (0, 0)
        identity = sha256_hex(f"{name}:{size}:{changed}" if size else f"{refused.reason}:{name}")
        if size > source.max_bytes:
            return too_large(name, identity, size, source)
        return RawItem(name, identity, sha256_hex(b""), size, reason=refused.reason, detail=str(refused))
    return read_bytes(source, name, data)


def read_bytes(source: Reading, name: str, data: bytes) -> RawItem:
    """Return the item that the bytes of a whole file are."""
    sha256 = sha256_hex(data)
    try:
        content = decode_source(data)
    except (UnicodeError, LookupError) as error:
        detail = f"not UTF-8 at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)[:200]
        return RawItem(name, sha256, sha256, len(data), reason="undecodable", detail=detail)
    return RawItem(name, sha256, sha256, len(data), content, source.repository, source.license)


def _reported(path: Path) -> tuple[int, int]:
    """Return the size and time of change of a file, which tell whether one that is not read is still the same."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


_DECLARATION = re.compile(rb"^[ \t\f]*+#[^\r\n]*?coding[:=][ \t]*+([-\w.]++)")
_NOTHING_BEFORE = re.compile(rb"^[ \t\f]*+(?:#[^\r\n]*+)?(?:\r\n?|\n)")
_NOT_FOR_FILES = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs"})
"""Encodings in which a text is not what its bytes show; a file that declares one is not worth it."""


def decode_source(data: bytes) -> str:
    """Return the text of a file of code: UTF-8, or the encoding that its first two lines declare (PEP 263).

    Raises:
        UnicodeError, LookupError: it is not in that encoding, or the encoding is not known or no text encoding.
    """
    if data.startswith(codecs.BOM_UTF8):
        return plain_text(data[3:].decode("utf-8"))
    first = _NOTHING_BEFORE.match(data)
    declared = _DECLARATION.match(data) or (_DECLARATION.match(data[first.end() :]) if first else None)
    if declared is None:
        return plain_text(data.decode("utf-8"))
    codec = codecs.lookup(declared[1].decode("ascii", "replace")[:40])
    if codec.name.replace("_", "-") in _NOT_FOR_FILES:
        raise LookupError(f"declares the encoding {codec.name}")
    return plain_text(data.decode(codec.name))  # `decode` refuses codecs that make no text


def plain_text(text: str) -> str:
    """Return a text without a byte order mark, and with a line end where there is a carriage return alone."""
    text = text.removeprefix("\ufeff")
    return re.sub(r"\r(?!\n)", "\n", text) if "\r" in text else text


def too_large(name: str, identity: str, size: int, source: Reading) -> RawItem:
    """Return the item that a file or row beyond `max_bytes` is."""
    detail = f"{size:,} bytes, more than max_bytes = {source.max_bytes:,}"
    return RawItem(name, identity, identity, size, reason="too_large", detail=detail)


def _read_jsonl(source: Reading, path: Path) -> Iterator[RawItem]:
    try:
        for line in lines_of(path, source.max_bytes):
            yield _item_of_line(source, f"{path.name}:{line.number}", line)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}). Check the file and its rights.") from error


def _item_of_line(source: Reading, where: str, line: FileLine) -> RawItem:
    if line.data is None:
        item = too_large(where, line.sha256, line.size_bytes, source)
    else:
        item = _read_line(source, where, line.sha256, line.data)
    return replace(item, at=line.offset)


def read_placed(source: Reading, path: Path, places: Mapping[int, str]) -> Iterator[RawItem]:
    """Yield the items that stand at some places of a JSONL or Parquet file, without reading the rest.

    Args:
        source: how it is read.
        path: of the file.
        places: `at` of an item -> its path, which names it where its row does not.

    Raises:
        SettingsError: the file cannot be read at all.
    """
    if source.kind == "parquet":
        yield from _read_parquet(source, path, places.keys())
        return
    try:
        for offset, where in places.items():
            for line in islice(lines_of(path, source.max_bytes, offset), 1):
                yield _item_of_line(source, where, line)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}). Check the file and its rights.") from error


def _read_line(source: Reading, where: str, sha256: str, line: bytes) -> RawItem:
    if len(line) > source.max_bytes:
        return too_large(where, sha256, len(line), source)
    try:
        row = decode_json(line)
    except Undecodable as error:
        reason = "undecodable" if error.reason == "not_utf8" else "broken_json"
        return RawItem(where, sha256, sha256, len(line), reason=reason, detail=str(error))
    return read_row(source, where, sha256, row, len(line))


def _read_parquet(source: Reading, path: Path, only: Collection[int] | None = None) -> Iterator[RawItem]:
    fields = source.fields
    wanted = fields.content, fields.path, fields.repository, fields.license
    for index, row in numbered_rows(path, wanted, f"the source {path.name}", only):
        text = canonical_json({key: str(value) for key, value in row.items()})
        item = read_row(source, f"{path.name}:{index + 1}", sha256_hex(text), row, len(text.encode()))
        yield replace(item, at=index)


def read_row(source: Reading, where: str, sha256: str, row: Any, size: int) -> RawItem:
    """Return the item that a row is; `where` names it when it names no path of its own."""
    fields = source.fields
    content = row.get(fields.content) if isinstance(row, dict) else None
    if not isinstance(content, str):
        detail = f"no text in the field {fields.content!r}"
        return RawItem(where, sha256, sha256, size, reason="missing_field", detail=detail)
    data = content.encode("utf-8", "surrogatepass")
    if len(data) > source.max_bytes:
        return too_large(where, sha256, len(data), source)
    try:
        content.encode()
    except UnicodeEncodeError as error:
        detail = f"a lone surrogate at character {error.start}"
        return RawItem(where, sha256, sha256_hex(data), size, reason="undecodable", detail=detail)
    path = row.get(fields.path)
    return RawItem(
        storable_text(path) if isinstance(path, str) and path else where,
        sha256,
        sha256_hex(data),
        len(data),
        plain_text(content),
        _text(row, fields.repository) or source.repository,
        _text(row, fields.license) or source.license,
    )


def _text(row: dict[str, Any], field: str | None) -> str | None:
    value = row.get(field) if field else None
    return storable_text(value) if isinstance(value, str) and value else None
