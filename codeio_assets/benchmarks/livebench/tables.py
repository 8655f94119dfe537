"""LiveBench's data analysis: the class of a column (cta), columns that join (tablejoin), tables in another format.

Each scorer returns (score, what was found). What does not live here: reading tables (`table_reader`).

Source: LiveBench/LiveBench (Apache-2.0), process_results/data_analysis.
"""

import ast
import re
import warnings
from collections.abc import Mapping
from typing import Final, cast

from codeio_assets.benchmarks.livebench.maths import last_boxed
from codeio_assets.benchmarks.livebench.table_reader import (
    NoTable,
    Table,
    lines_of_objects,
    read_table,
    separated_from_header,
)

MAX_MAPPING_CHARS: Final = 50_000
_FENCED: Final = re.compile(r"```(?:python)?(.*?)```")
_PYTHON_FENCED: Final = re.compile(r"```python(.*?)```")
_ANY_FENCED: Final = re.compile(r"```(.*?)```")
_TEXT_COMMAND: Final = re.compile(r"\\text\{['|\"](.*?)['|\"]\}")
_FORMATS: Final = re.compile(r"Please convert the Input Table from (\S+) format to (\S+) format")
_INITIAL_PHRASE: Final = re.compile(r"^\s*(?:Here|Input)\b.*?\b(?:format|table)\s*[:)]\s*", re.IGNORECASE)


def column_type(response: str, gold: str) -> tuple[float, str | None]:
    """Score the class of a column: the whole response, or what it boxes, by its letters and digits."""
    answer = response
    if "\\boxed{" in answer:
        answer = (last_boxed(answer) or "").replace("\\text{", "").replace("}", "").replace("\\", "")
    return float(_plain(answer) == _plain(gold)), answer.strip() or None


def _plain(text: str) -> str:
    return re.sub(r"\W", "", text.lower().strip())


def join_mapping(response: str, gold: str) -> tuple[float, str | None]:
    """Score a mapping of columns by F1, to two decimals."""
    given, wanted = _mapping(response), cast("dict[object, object]", ast.literal_eval(gold))
    if not given:
        return 0.0, None
    right = sum(bool(wanted.get(key)) and wanted[key] == value for key, value in given.items())
    wrong = len(given) - right
    replaced = sum(bool(wanted.get(key)) and wanted[key] != value for key, value in given.items())
    missed = replaced + sum(not given.get(key) for key in wanted)
    return round(2 * right / (2 * right + wrong + missed), 2), str(given)


def _mapping(response: str) -> dict[object, object]:
    """Return the last Python dictionary of a response: fenced, boxed, or the response itself."""
    text = response.replace("\n", "")
    found = _PYTHON_FENCED.findall(text) or _ANY_FENCED.findall(text)
    if not found and "\\boxed" in text:
        found = [_TEXT_COMMAND.sub(r"'\1'", last_boxed(text) or "").replace("\\", "")]
    source = found[-1] if found else response
    if len(source) > MAX_MAPPING_CHARS:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return cast("dict[object, object]", value) if isinstance(value, dict) else {}


def reformatted(response: str, gold: str, question: str) -> tuple[float, str | None]:
    """Score a table in another format: the same columns, and the same cells row by row."""
    asked = _FORMATS.search(question)
    kind = asked[2].lower() if asked else "csv"
    wanted = read_table(kind, gold)
    text = _INITIAL_PHRASE.sub("", _unwrapped(response)).strip()
    given = _first_table(kind, text, wanted)
    if given is None:
        return 0.0, None
    if not is_same(given, wanted):
        again = _inner_table(kind, text, wanted) if kind in ("csv", "jsonl") else None
        if again is None or not is_same(again, wanted):
            return 0.0, text
    return 1.0, text


def _unwrapped(response: str) -> str:
    """Return the table's text without tags and fences."""
    for pattern in (r"<solution>(.*?)</solution>", r"```json\n(.*?)```", r"```html\n(.*?)```"):
        found = re.findall(pattern, response, re.DOTALL)
        if found:
            return _unwrapped(found[-1].strip()) if "solution" in pattern else found[-1].strip()
    return re.sub(r"^```.*\n", "", response).replace("&amp;", "&").replace("```", "").strip()


def _first_table(kind: str, text: str, wanted: Table) -> Table | None:
    try:
        return read_table(kind, text)
    except NoTable:
        return _inner_table(kind, text, wanted)


def _inner_table(kind: str, text: str, wanted: Table) -> Table | None:
    """Return the table that stands inside other text, found by its header, or None."""
    columns = list(wanted)
    if kind in ("csv", "tsv"):
        separator = "," if kind == "csv" else "\t"
        return separated_from_header(text, separator.join(columns), separator)
    return lines_of_objects(text, columns) if kind == "jsonl" else None


def is_same(given: Table, wanted: Table) -> bool:
    """Return whether two tables have the same columns and the same cells, an `index` column apart."""
    left, right = _named(given), _named(wanted)
    if sorted(left) != sorted(right):
        return False
    return all(
        len(left[name]) == len(right[name])
        and all(_is_same_cell(a, b) for a, b in zip(left[name], right[name], strict=True))
        for name in right
    )


def _named(table: Mapping[str, list[object]]) -> dict[str, list[object]]:
    return {name.strip(): cells for name, cells in table.items() if name.strip() != "index"}


def _is_same_cell(given: object, wanted: object) -> bool:
    if isinstance(given, float) and isinstance(wanted, float):
        return given == wanted or abs(given - wanted) < 1e-6
    if isinstance(given, str) and isinstance(wanted, str):
        return given.strip() == wanted.strip()
    return given == wanted
