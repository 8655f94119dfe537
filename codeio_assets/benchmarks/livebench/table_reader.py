"""Tables from CSV, TSV, JSON, JSONL and HTML, with the types that pandas gives their columns.

A column is numeric when every cell that is not missing reads as a number, as in the public scorer, whose comparison of
cells depends on it. What does not live here: comparing tables (`tables`).

Source: behaviour of pandas 2.2 (read_csv, read_json, read_html), which the public scorer reads with.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from html.parser import HTMLParser
from typing import Any, Final, cast

Table = dict[str, list[object]]
"""Column -> cells: floats, texts, None where a cell is missing, or what JSON nests."""

MAX_CHARS: Final = 1_000_000
_MISSING: Final = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"),
        *("NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*|\s*[+-]?inf(?:inity)?\s*", re.IGNORECASE)
_TRUTHS: Final = {"True": 1.0, "TRUE": 1.0, "true": 1.0, "False": 0.0, "FALSE": 0.0, "false": 0.0}


class NoTable(ValueError):  # noqa: N818
    """The text is no table in this format."""


def read_table(kind: str, text: str) -> Table:
    """Read a table in a format: csv, tsv, json, jsonl or html.

    Raises:
        NoTable: it cannot be read so.
    """
    reader = _READERS.get(kind)
    if reader is None or len(text) > MAX_CHARS:
        raise NoTable(kind)
    try:
        return reader(text)
    except (ValueError, RecursionError, csv.Error, AttributeError, TypeError) as error:
        raise NoTable(str(error)) from None


def separated(text: str, separator: str) -> Table:
    """Read a table with a header line and a separator; blank lines are passed over.

    Raises:
        NoTable: no header, or a row has more cells than the header.
    """
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row and row != [""]]
    if not rows:
        raise NoTable("empty")
    header, body = rows[0], rows[1:]
    extra = max(0, len(body[0]) - len(header)) if body else 0  # cells before the header's first are an index
    if any(len(row) > len(header) + extra for row in body):
        raise NoTable("a row has too many cells")
    cells = [[*row[extra:], *[""] * (len(header) + extra - len(row))] for row in body]
    return _typed_texts(_unique(header), cells)


def separated_from_header(text: str, header: str, separator: str) -> Table | None:
    """Read a table from the line that is its header on, as far as it can be read; None without that line."""
    lines = text.strip().split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() == header.strip()), None)
    if start is None:
        return None
    for end in range(len(lines), start, -1):
        try:
            return separated("\n".join(lines[start:end]), separator)
        except (NoTable, csv.Error):
            continue
    return None


def lines_of_objects(text: str, columns: Sequence[str]) -> Table | None:
    """Read the lines that are JSON objects and name all columns; None if there is none."""
    records: list[dict[str, Any]] = []
    for line in text.strip().split("\n"):
        if len(line) >= 2 and line[0] == "{" and line[-1] == "}" and all(column in line for column in columns):
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError):
                continue
    return _from_records(records, convert=False) if records else None


def _unique(header: Sequence[str]) -> list[str]:
    """Return column names, the empty ones numbered, and those that stand twice told apart."""
    names: list[str] = []
    for number, name in enumerate(header):
        base, name, copies = name or f"Unnamed: {number}", name or f"Unnamed: {number}", 0
        while name in names:
            copies += 1
            name = f"{base}.{copies}"
        names.append(name)
    return names


def _typed_texts(names: Sequence[str], rows: Sequence[Sequence[str]], thousands: str = "") -> Table:
    return {name: _typed([row[n] for row in rows], thousands) for n, name in enumerate(names)}


def _typed(cells: Iterable[str], thousands: str) -> list[object]:
    """Return a column's cells as floats if all that are there are numbers or truth values, or else as texts."""
    present = [None if cell in _MISSING else cell for cell in cells]
    plain = [cell.replace(thousands, "") if cell is not None and thousands else cell for cell in present]
    if all(cell is None or _NUMBER.fullmatch(cell) for cell in plain):
        return [None if cell is None else float(cell) for cell in plain]
    if all(cell in _TRUTHS for cell in present):
        return [_TRUTHS[cell or ""] for cell in present]
    return list(present)


def _json(text: str) -> Table:
    """Read rows by their names, a list of rows, or a row per line."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return _jsonl(text)
    if isinstance(value, dict):
        return _from_records(list(cast("dict[str, Any]", value).values()))
    return _from_records(value)


def _jsonl(text: str) -> Table:
    return _from_records([json.loads(line) for line in text.split("\n") if line.strip()])


def _from_records(records: Any, convert: bool = True) -> Table:
    """Return rows as columns; a cell that a row lacks is missing.

    Raises:
        NoTable: a row is no object.
    """
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in cast("list[object]", records)):
        raise NoTable("a row is no object")
    rows = cast("list[dict[str, object]]", records)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _typed_values([row.get(name) for row in rows], convert) for name in names}


def _typed_values(cells: list[object], convert: bool) -> list[object]:
    """Return a column of JSON values; texts that are all numbers become numbers, as `read_json` makes them."""
    floats = [float(cell) if isinstance(cell, int | float) else cell for cell in cells]
    if convert and all(cell is None or isinstance(cell, float) or _is_number(cell) for cell in floats):
        return [None if cell is None else float(cast("str", cell)) for cell in floats]
    return floats


def _is_number(cell: object) -> bool:
    return isinstance(cell, str) and _NUMBER.fullmatch(cell) is not None


class _Tables(HTMLParser):
    """Collects the rows of all tables: a row is its cells, and whether all of them are headings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[tuple[list[str], bool]]] = []
        self._cells: list[str] | None = None
        self._text: list[str] | None = None
        self._is_heading = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self._end_row()
            self._cells, self._is_heading = [], True
        elif tag in ("td", "th"):
            self._end_cell()
            self._text = []
            self._is_heading = self._is_heading and tag == "th"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in ("tr", "table"):
            self._end_row()

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end_cell(self) -> None:
        if self._text is not None and self._cells is not None:
            self._cells.append(" ".join("".join(self._text).split()))
        self._text = None

    def _end_row(self) -> None:
        self._end_cell()
        if self._cells and self.tables:
            self.tables[-1].append((self._cells, self._is_heading))
        self._cells = None


def _html(text: str) -> Table:
    """Read the tables of a page as one, below each other; the first row of headings names the columns."""
    parser = _Tables()
    parser.feed(text)
    parser.close()
    tables = [table for rows in parser.tables if rows for table in [_html_table(rows)]]
    if not tables or any(list(table) != list(tables[0]) for table in tables):
        raise NoTable("no table, or several with different columns")
    return {name: [cell for table in tables for cell in table[name]] for name in tables[0]}


def _html_table(rows: list[tuple[list[str], bool]]) -> Table:
    header, is_heading = rows[0]
    body = [cells for cells, _ in rows[1:]]
    if not is_heading or any(len(cells) > len(header) for cells in body):
        raise NoTable("no header, or a row has too many cells")
    padded = [[*cells, *[""] * (len(header) - len(cells))] for cells in body]
    return _typed_texts(_unique(header), padded, thousands=",")


_READERS: Final[dict[str, Callable[[str], Table]]] = {
    "csv": lambda text: separated(text, ","),
    "tsv": lambda text: separated(text, "\t"),
    "json": _json,
    "jsonl": _jsonl,
    "html": _html,
}
