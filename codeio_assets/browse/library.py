"""What all pages share: the project, its index, items, answers and sandbox, and counts that were already asked for.

What does not live here: pages (`pages`), the server (`serving`).
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from codeio_assets.browse.asking import Asking
from codeio_assets.browse.comparing import Answers
from codeio_assets.browse.index import Index, folder_of
from codeio_assets.browse.items import Items
from codeio_assets.browse.listing import Choices, Listing, Narrowing, ask
from codeio_assets.browse.protection import new_token
from codeio_assets.browse.trying import Trial
from codeio_assets.core.tables.data import Row
from codeio_assets.project import Project
from codeio_assets.store import Warehouse

Counts = OrderedDict[tuple[int, str], tuple[int, list[Choices]]]
"""(generation of the index, list) -> its rows and choices, the ones asked for last at the end."""
KEPT_COUNTS = 64
SHARDS_SHOWN = 60


@dataclass(slots=True)
class Library:
    """A project opened for reading, by one person."""

    project: Project
    person: str
    warehouse: Warehouse
    index: Index
    items: Items
    answers: Answers
    trial: Trial
    asking: Asking
    token: str = field(default_factory=new_token)
    _counts: Counts = field(default_factory=Counts)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, project: Project, person: str, beside: Mapping[str, Warehouse] | None = None) -> "Library":
        """Open a project; the index is brought up to date by `index.refresh`.

        Raises:
            StoreError: another process has the index open.
        """
        warehouse = project.open_warehouse(memory_limit="2GB", threads=2)
        index = Index(warehouse, folder_of(project.home), project.sql)
        trial = Trial(project.settings.sandbox, project.settings.judging)
        answers = Answers(warehouse, project.sql, beside or {})
        items = Items(warehouse, project.sql, index)
        return cls(project, person, warehouse, index, items, answers, trial, Asking(project))

    def close(self) -> None:
        """Let go of the index and the sandbox."""
        self.trial.close()
        self.index.close()

    def counts(self, listing: Listing) -> tuple[int, list[Choices]]:
        """Return how many rows a list has, and its choices; the same question is answered from memory."""
        key = (self.index.freshness.generation, f"{listing.of.of.table}?{listing.of.query}")
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        found = listing.count(), listing.choices()
        with self._lock:
            self._counts[key] = found
            while len(self._counts) > KEPT_COUNTS:
                self._counts.popitem(last=False)
        return found

    def listing(self, table: str, query: list[tuple[str, str]]) -> Listing:
        """Return a list, narrowed."""
        return Listing(self.index, Narrowing.read(table, query))

    def shards(self) -> tuple[list[Row], int]:
        """Return what each of the first shards holds, and how many are not told."""
        with self.index.cursor() as cursor:
            rows = ask(cursor, self.project.sql("browse/shards.sql"), {})
        return rows[:SHARDS_SHOWN], max(0, len(rows) - SHARDS_SHOWN)
