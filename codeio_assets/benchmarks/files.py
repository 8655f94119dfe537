"""Finding and reading the files of benchmarks in their authors' own formats.

What does not live here: what the records mean (one module per benchmark).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from codeio_assets.benchmarks.contract import BadBenchmarkData
from codeio_assets.core.values.canonical import Json


def find(folder: Path, *names: str) -> Path:
    """Return the first of the files, by their names under a folder; the folder may be the file itself.

    Raises:
        BadBenchmarkData: none of them is there.
    """
    if folder.is_file():
        return folder
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadBenchmarkData(f"{folder}: has none of {', '.join(names)}")


def find_folder(folder: Path, marker: str, *names: str) -> Path:
    """Return the first folder, of a folder and those below it by name, that holds files like the marker.

    Raises:
        BadBenchmarkData: none does.
    """
    for candidate in (*(folder / name for name in names), folder):
        if candidate.is_dir() and next(candidate.glob(marker), None) is not None:
            return candidate
    raise BadBenchmarkData(f"{folder}: has no {marker}, nor has one of its folders {', '.join(names)}")


def json_lines(path: Path) -> Iterator[dict[str, Json]]:
    """Yield the objects of a JSONL file.

    Raises:
        BadBenchmarkData: it cannot be read, or a line is no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _object(f"{path}:{number}", line)
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmarkData(f"{path}: cannot be read: {error}") from None


def json_file(path: Path) -> dict[str, Json]:
    """Return the object that a JSON file holds.

    Raises:
        BadBenchmarkData: it cannot be read, or is no JSON object.
    """
    try:
        return _object(str(path), path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmarkData(f"{path}: cannot be read: {error}") from None


def _object(place: str, text: str) -> dict[str, Json]:
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadBenchmarkData(f"{place}: is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadBenchmarkData(f"{place}: is no JSON object")
    return value


def text_of(record: Mapping[str, Json], name: str, place: str) -> str:
    """Return a field that must be a text.

    Raises:
        BadBenchmarkData: it is absent, or something else.
    """
    value = record.get(name)
    if not isinstance(value, str):
        raise BadBenchmarkData(f"{place}: `{name}`: a text is needed")
    return value
