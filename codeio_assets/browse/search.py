"""Full-text search: which rows of the index hold some words, by SQLite's FTS5, which comes with Python.

A word is letters, digits and underscores; all words must be there, in any order, and `word*` finds what begins so.
Texts are not kept, only their words. What does not live here: which texts there are (`sql/browse`), rows (`index`).

Rows of a replaced partition leave their words behind, under numbers that no row has any more; `index` makes all anew
when these outnumber the living.
"""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

MOST_HITS = 20_000
"""Matches that are looked at; the page says so when there are more."""
_WORD = re.compile(r"\w+\*?")


class TextIndex:
    """The words of all rows, in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with closing(self._connect()) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute(
                "create virtual table if not exists texts using fts5("
                "text, content = '', detail = none, tokenize = \"unicode61 tokenchars '_'\")"
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=60)
        connection.execute("pragma synchronous = off")  # it is derived: what a crash takes is made again
        return connection

    def add(self, texts: Iterable[tuple[int, str]]) -> None:
        """Add (number of the row, text)."""
        with closing(self._connect()) as connection, connection:
            connection.executemany("insert into texts(rowid, text) values (?, ?)", texts)

    def find(self, words: str) -> list[int] | None:
        """Return the numbers of the rows that hold all words, up to one more than `MOST_HITS`; None for no word."""
        wanted = query_of(words)
        if wanted is None:
            return None
        with closing(self._connect()) as connection:
            query = "select rowid from texts where texts match ? limit ?"
            return [row for (row,) in connection.execute(query, (wanted, MOST_HITS + 1))]


def query_of(words: str) -> str | None:
    """Return what was typed as a query of FTS5, None when it holds no word."""
    terms = [f'"{word.rstrip("*")}"{"*" if word.endswith("*") else ""}' for word in _WORD.findall(words[:1_000])]
    return " AND ".join(terms) if terms else None
