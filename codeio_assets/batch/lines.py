"""JSONL in and out: one object per line, `-` for standard input and output, a progress line on a terminal.

What does not live here: what the fields mean (the modules beside this one).
"""

import gzip
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Self, TextIO, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from codeio_assets.core.values.canonical import Json, JsonLike
from codeio_assets.core.values.decoding import Undecodable, decode_json, within_bounds

_Item = TypeVar("_Item")
_Line = TypeVar("_Line", bound="Line")


class BadInput(ValueError):  # noqa: N818
    """A line or file cannot be used; the message names the file, the line, the field and the fix."""


class Line(BaseModel):
    """Base of input lines: known fields are checked, others are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)
    _problem: str | None = PrivateAttr(None)

    @property
    def problem(self) -> str | None:
        """What was cut out of the line, because it is beyond what a value may be; None for nearly every line."""
        return self._problem

    def with_problem(self, problem: str | None) -> Self:
        """Say what was cut out; no field says it, so that no line can."""
        self._problem = problem
        return self


class IdentifiedLine(Line):
    """Base of input lines that others refer to."""

    id: str | int


_Identified = TypeVar("_Identified", bound=IdentifiedLine)


def read_lines(path: Path, model: type[_Line]) -> Iterator[_Line]:
    """Yield the lines of a file as records; blank lines are passed over.

    Raises:
        BadInput: no such file, or a line that is not JSON or lacks a field.
    """
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _parse(path, number, line, model)


def read_identified(path: Path, model: type[_Identified]) -> dict[str | int, _Identified]:
    """Return the lines of a file by their `id`.

    Raises:
        BadInput: as `read_lines`, or two lines have the same id.
    """
    found: dict[str | int, _Identified] = {}
    for line in read_lines(path, model):
        if line.id in found:
            raise BadInput(f"{path}: the id {line.id!r} stands twice; each function needs an id of its own")
        found[line.id] = line
    return found


def _parse(path: Path, number: int, line: bytes, model: type[_Line]) -> _Line:
    try:
        value, problem = _decoded(line)
        return model.model_validate(value).with_problem(problem)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("str", "int")) or "the line"
        raise BadInput(f"{path}:{number}: `{field}`: {first['msg'].lower()}") from None
    except Undecodable as error:
        raise BadInput(f"{path}:{number}: is not JSON: {error}") from None


def _decoded(line: bytes) -> tuple[Json, str | None]:
    """Return the value of a line, without what is nested too deep or has too many digits; and whether that was cut out.

    Raises:
        Undecodable: it is no JSON, or too large.
    """
    try:
        return decode_json(line), None
    except Undecodable as error:
        if error.reason not in ("too_deep", "number_too_long"):
            raise
        return decode_json(within_bounds(line.decode("utf-8-sig"))), str(error)


@contextmanager
def _opened(path: Path) -> Generator[Iterable[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def writing(path: Path) -> Generator["Writer"]:
    """Open a file for writing lines; `-` is standard output.

    The lines go to a file beside it, which takes its name when all are written: a file of that name is whole.

    Raises:
        BadInput: it cannot be written.
    """
    if str(path) == "-":
        yield Writer(sys.stdout)
        sys.stdout.flush()
        return
    if path.is_dir():
        raise BadInput(f"{path}: cannot be written: it is a folder")
    if path.exists() and not path.is_file():  # a pipe or a device, which has a name and no content to keep whole
        with path.open("w", encoding="utf-8") as file:
            yield Writer(file)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield Writer(file)
        part.chmod(0o666 & ~_file_mask())
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _file_mask() -> int:
    """Return the bits that new files of this process go without; there is no way to ask but to set them."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class Writer:
    """Writes one JSON object per line; counts them."""

    def __init__(self, file: TextIO) -> None:
        self.count = 0
        self._file = file

    def write(self, **fields: JsonLike) -> None:
        """Write one line. Text that UTF-8 cannot hold is escaped, as JSON allows."""
        self._file.write(json.dumps(fields) + "\n")
        self.count += 1

    def write_list(self, fields: Mapping[str, JsonLike], name: str, texts: Iterable[str]) -> None:
        """Write one line whose last member is a list, given as JSON texts of some items each, one after the other."""
        self._file.write(json.dumps(dict(fields))[:-1] + f", {json.dumps(name)}: [")
        for number, text in enumerate(texts):
            self._file.write(", " * bool(number) + text)
        self._file.write("]}\n")
        self.count += 1


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of up to `size` items, in order."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


class ProgressLine:
    """A line on standard error that is rewritten, where standard error is a terminal; nothing elsewhere."""

    def __init__(self, what: str) -> None:
        self.done = 0
        self._what = what
        self._shown = 0.0
        self._started = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def advance(self, count: int = 1) -> None:
        """Count items, and show the state twice a second."""
        self.done += count
        now = time.monotonic()
        if self._is_terminal and now - self._shown > 0.5:
            self._shown = now
            self._show("\r")

    def finish(self) -> None:
        """Show the final state."""
        if self._is_terminal:
            self._show("\n")

    def _show(self, end: str) -> None:
        rate = self.done / max(time.monotonic() - self._started, 1e-9)
        sys.stderr.write(f"\r{self.done:,} {self._what}, {rate:,.1f}/s{end}")
        sys.stderr.flush()


def value_of(text: str | None) -> Json:
    """Return the value of a JSON text, None for no text."""
    return None if text is None else json.loads(text)
