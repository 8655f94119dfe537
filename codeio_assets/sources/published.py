"""Reading published functions with recorded pairs: lines of `refcode`, `funcname` and `ios` of `input` and `output`.

What does not live here: what becomes of them (`steps.published_data_audit`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.decoding import BOUNDS, decode_json, object_of
from codeio_assets.sources.files import lines_of, named_file

SETTING = "`quality: {published: ...}` in codeio.yaml, or `path` in the run's configuration"


@dataclass(frozen=True, slots=True)
class PublishedFunction:
    """One line: where it stands (from 0), the code, the name of its entry, and its pairs."""

    number: int
    code: str
    entry: str
    pairs: list[dict[str, Json]]


def published_path(root: Path, setting: Path | None, given: str = "") -> Path:
    """Return the file to read: the one given for a run, else the setting's, relative to a project's root.

    Raises:
        SettingsError: neither is set, or there is no such file.
    """
    chosen = Path(given) if given else setting
    if chosen is None:
        raise SettingsError(f"there is no published data to audit: set {SETTING}, to a JSONL file of functions")
    path = (root / chosen).absolute()
    if not path.is_file():
        raise SettingsError(f"{path}: no such file of published data. Correct {SETTING}")
    return named_file(path, "published data")


def read_published(path: Path) -> Iterator[PublishedFunction]:
    """Yield the functions of a file.

    Raises:
        SettingsError: a line is not JSON or lacks a field.
    """
    lines = lines_of(path, BOUNDS.max_bytes)
    for number, line in enumerate(lines):
        try:
            if line.data is None:
                raise ValueError(f"takes more than {BOUNDS.max_bytes:,} bytes")
            yield _function(number, decode_json(line.data))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{path}: function {number} needs the fields refcode, funcname, ios (input, output): {error!r}"
            ) from None


def _function(number: int, value: Json) -> PublishedFunction:
    row = object_of(value)
    code, entry, pairs = row["refcode"], row.get("funcname", "main_solution"), row["ios"]
    if not (isinstance(code, str) and isinstance(entry, str) and isinstance(pairs, list)):
        raise TypeError("a field is of another type")
    kept = [{"input": pair["input"], "output": pair["output"]} for pair in map(object_of, pairs)]
    return PublishedFunction(number, code, entry, kept)
