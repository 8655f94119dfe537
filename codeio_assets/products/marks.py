"""Marks of people on items: adding some, and what holds of them now.

Each person's rows are a partition of the table `marks`, rewritten whole with the new rows at its end: nothing is ever
taken away, and a training set can name the version that it went by.
What does not live here: what a recipe leaves out (`sql/transforms`), pages (`browse`).
"""

import fcntl
import getpass
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from codeio_assets.core.tables.data import frame
from codeio_assets.core.tables.marks import ITEM_KINDS, MARKS, ItemKind, MarkName
from codeio_assets.core.values.canonical import content_id
from codeio_assets.store import StoreError, Warehouse

TABLE = "marks"
LONGEST_NOTE = 4_000
MOST_ITEMS = 200_000
"""Items that one act may mark; a filter that keeps more is not something that a person has looked at."""


@dataclass(frozen=True, slots=True)
class Marking:
    """What a person says of some items, by id."""

    kind: ItemKind
    item_ids: Sequence[str]
    mark: MarkName
    note: str = ""


def person_named(name: str | None = None) -> str:
    """Return who marks: as told, else `CODEIO_PERSON`, else the login name; as a key of a partition.

    Raises:
        StoreError: no name is left when letters, digits, '_', '.' and '-' alone are kept.
    """
    told = name or os.environ.get("CODEIO_PERSON") or getpass.getuser()
    key = re.sub(r"[^A-Za-z0-9_.-]+", "-", told).strip("-._")[:80]
    if not key:
        raise StoreError(f"{told!r} is no name to mark with: use letters and digits, such as --person ada.")
    return key


def add_marks(warehouse: Warehouse, person: str, marking: Marking, now: datetime | None = None) -> int:
    """Add a mark of a person on each of some items, in one commit, and return how many.

    Processes that mark as the same person on one machine wait for each other.

    Raises:
        StoreError: the mark, the kind or an id is not one, or there are too many items.
    """
    _check(marking)
    at = (now or datetime.now(UTC)).isoformat(timespec="microseconds")
    rows = [
        {
            "mark_id": content_id(item=item, person=person, mark=marking.mark, note=marking.note, at=at),
            "item_id": item,
            "kind": marking.kind,
            "mark": marking.mark,
            "note": marking.note,
            "person": person,
            "marked_at": at,
        }
        for item in dict.fromkeys(marking.item_ids)
    ]
    with _alone(warehouse.root / ".marking", person):
        before = warehouse.read(TABLE, person) if warehouse.manifest(TABLE, person) else frame(TABLE, [])
        warehouse.write(TABLE, person, {TABLE: pl.concat([before, frame(TABLE, rows)]).sort("mark_id")})
    return len(rows)


def _check(marking: Marking) -> None:
    if marking.mark not in MARKS or marking.kind not in ITEM_KINDS:
        raise StoreError(f"{marking.mark!r} of a {marking.kind!r} is no mark: {', '.join(MARKS)}.")
    if len(marking.item_ids) > MOST_ITEMS:
        raise StoreError(f"{len(marking.item_ids):,} items at once are more than {MOST_ITEMS:,}: narrow the filter.")
    if wrong := [item for item in marking.item_ids if not re.fullmatch("[0-9a-f]{64}", item)]:
        raise StoreError(f"{wrong[0][:80]!r} is not the id of an item: 64 hexadecimal digits.")
    if len(marking.note) > LONGEST_NOTE:
        raise StoreError(f"The note has {len(marking.note):,} characters; {LONGEST_NOTE:,} are the most.")


@contextmanager
def _alone(folder: Path, person: str) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / person).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
