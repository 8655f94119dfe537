"""A narrowed list: from an address to conditions, a page of rows, counts beside the choices, and neighbours.

Pages go by the key of their last row, so that the thousandth page is as fast as the first.
What does not live here: which lists and choices there are (`lists`), the index (`index`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import duckdb
import polars as pl

from codeio_assets.browse.index import Index
from codeio_assets.browse.lists import LISTS, ORDER, Facet, List, counts_query
from codeio_assets.browse.search import MOST_HITS
from codeio_assets.core.tables.data import Row

PAGE = 50
MOST_VALUES = 40
"""Values of one facet that are shown, those of most rows first."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What an address asks of a list: several values of one facet are alternatives, facets add up."""

    of: List
    choices: tuple[tuple[str, str], ...] = ()
    recipe: str = ""
    split: str = ""
    words: str = ""
    sort: str = ""

    @classmethod
    def read(cls, table: str, query: Iterable[tuple[str, str]]) -> "Narrowing":
        """Return what the pairs of a query string ask; what is unknown is left aside."""
        of, given = LISTS[table], list(query)
        named = {name: value for name, value in given if value}
        choices = tuple(dict.fromkeys((name, value) for name, value in given if value and of.facet(name)))
        is_tasks = table == "tasks"
        return cls(
            of,
            choices,
            recipe=named.get("recipe", "") if is_tasks else "",
            split=named.get("split", "") if is_tasks else "",
            words=named.get("q", "")[:500],
            sort=of.sort(named.get("sort", "")).name,
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of its query string."""
        more = (("recipe", self.recipe), ("split", self.split), ("q", self.words), ("sort", self.sort))
        default = self.of.sorts[0].name
        return [*self.choices, *((name, value) for name, value in more if value and (name, value) != ("sort", default))]

    @property
    def query(self) -> str:
        """Its query string, the same for the same list."""
        return urlencode(self.pairs)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is narrowed."""
        return not (self.choices or self.recipe or self.split or self.words)

    def address(self, **more: str) -> str:
        """Return the address of the list, with more in its query string."""
        query = urlencode([*self.pairs, *more.items()])
        return f"/{self.of.table}?{query}" if query else f"/{self.of.table}"

    def toggled(self, name: str, value: str) -> "Narrowing":
        """Return it with a choice added, or without it if it is made already."""
        if name in {"recipe", "split"}:
            return replace(self, **{name: "" if getattr(self, name) == value else value})
        choice = (name, value)
        kept = tuple(other for other in self.choices if other != choice)
        return replace(self, choices=kept if choice in self.choices else (*self.choices, choice))

    def has(self, name: str, value: str) -> bool:
        """Tell whether a choice is made."""
        return (name, value) in self.choices or (name in {"recipe", "split"} and getattr(self, name) == value)


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, how many rows it would leave, whether it is chosen, and the address that changes that."""

    value: str
    count: int
    is_chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Choices:
    """A facet with its values; `more` of them are not shown."""

    name: str
    label: str
    values: tuple[Choice, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows and where the next and the one before begin."""

    rows: list[Row]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Where:
    """A condition and its parameters, and what it had to leave out."""

    sql: str
    parameters: dict[str, object]
    too_many_hits: bool = False


class Listing:
    """The rows of a narrowed list, as the index holds them now."""

    def __init__(self, index: Index, of: Narrowing) -> None:
        self.of = of
        self._index = index
        self._hits = index.find(of.words) if of.words else None
        self.too_many_hits = len(self._hits or ()) > MOST_HITS

    # -- rows ---------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Return how many rows there are."""
        where = self._where()
        return int(
            self._ask(f"select count(*) as n {self._from(marks=False)} where {where.sql}", where.parameters)[0]["n"]
        )

    def page(self, after: str = "", before: str = "", size: int = PAGE) -> Page:
        """Return the rows after or before a place; the first page without either."""
        backwards = bool(before) and not after
        rows = self._rows(after or before, backwards, size + 1)
        has_more = len(rows) > size
        rows = rows[:size]
        if backwards:
            rows.reverse()
        following = self._place(rows[-1]) if rows and (backwards or has_more) else None
        preceding = self._place(rows[0]) if rows and (has_more if backwards else after) else None
        return Page(rows, following, preceding)

    def ids(self, most: int) -> list[str]:
        """Return the ids of the rows, at most so many."""
        where = self._where()
        rows = f"{self._from(marks=False)} where {where.sql}"
        query = f"select distinct {self.of.of.identity} as id {rows} order by 1 limit {most}"
        return [row["id"] for row in self._ask(query, where.parameters)]

    def shuffled(self, salt: str, most: int) -> list[str]:
        """Return ids of rows by chance, the same for the same salt: a sample, and the order to go through it."""
        where = self._where()
        rows = f"{self._from(marks=False)} where {where.sql}"
        query = f"select t.id as id {rows} order by md5($salt || t.id), t.id limit {most}"
        return [row["id"] for row in self._ask(query, where.parameters | {"salt": salt})]

    def neighbours(self, item_id: str) -> tuple[str | None, str | None]:
        """Return the ids of the row before and the row after an item in the list."""
        found = self._ask(
            f"select {self._sort().sql} as place, t.key as key {self._from(marks=False)} where t.key = $key limit 1",
            {"key": int(item_id[:16], 16)},
        )
        if not found:
            return None, None
        place = self._place(found[0])
        sides = [self._rows(place, backwards, 1) for backwards in (True, False)]
        before, after = (rows[0]["id"] if rows else None for rows in sides)
        return before, after

    def _rows(self, place: str, backwards: bool, size: int) -> list[Row]:
        where, sort = self._where(), self._sort()
        conditions, parameters = [where.sql], dict(where.parameters)
        down = sort.descending != backwards
        if value := _read_place(place):
            parameters |= {"place_value": value[0], "place_key": value[1]}
            side = "<" if down else ">"
            beyond = "<" if backwards else ">"
            given = f"cast($place_value as {'varchar' if sort.name in TEXTUAL else 'double'})"
            conditions.append(f"({sort.sql} {side} {given} or ({sort.sql} = {given} and t.key {beyond} $place_key))")
        order = f"t.key {'desc' if backwards else 'asc'}"
        if sort.name != "id":  # whose place is the same of all rows
            order = f"{sort.sql} {'desc' if down else 'asc'}, {order}"
        marked = self.of.of.table != "rejections"
        columns = f"t.*, {sort.sql} as place{', m.decision, m.is_flagged, m.notes' if marked else ''}"
        # Which rows, by the columns that decide it; then the other columns, of these rows alone.
        chosen = (
            f"select t.rowid {self._from(marks=False)} where {' and '.join(conditions)} order by {order} limit {size}"
        )
        query = f"select {columns} {self._from()} where t.rowid in ({chosen}) order by {order}"
        return self._ask(query, parameters)

    def _place(self, row: Row) -> str:
        return f"{row['place']}~{row['key']}"

    # -- counts -------------------------------------------------------------------------------------------------

    def choices(self) -> list[Choices]:
        """Return the facets with the counts that each value would leave."""
        counted: dict[str, list[tuple[str, int]]] = {}
        queries: dict[str, list[Facet]] = {}
        wheres: dict[str, Where] = {}
        chosen = {name for name, _ in self.of.choices}
        for facet in self.of.of.facets:
            where = self._where(without=facet.name if facet.name in chosen else None)
            wheres[where.sql] = where
            queries.setdefault(where.sql, []).append(facet)
        if self.of.is_everything:
            counted = self._counted()
            queries.clear()
        for sql, facets in queries.items():
            query = counts_query(self.of.of, facets, sql, MARKS)
            for row in self._ask(query, wheres[sql].parameters):
                counted.setdefault(row["facet"], []).append((row["value"], row["n"]))
        found = [self._choices(facet.name, facet.label, counted.get(facet.name, [])) for facet in self.of.of.facets]
        return [*found, *self._recipes()] if self.of.of.table == "tasks" else found

    def _counted(self) -> dict[str, list[tuple[str, int]]]:
        """Return the counts of the whole list, which the index keeps, and those of the marks, which are few."""
        table, counted = self.of.of.table, dict[str, list[tuple[str, int]]]()
        query = "select facet, value, cast(sum(n) as bigint) as n from counted where list = $list group by all"
        for row in self._ask(query, {"list": table}):
            counted.setdefault(row["facet"], []).append((row["value"], row["n"]))
        if facet := self.of.of.facet("mark"):
            query = f"select {facet.sql} as marks from {table} t join marked m on m.key = t.key"
            marked = [row["marks"] for row in self._ask(query, {})]
            found = Counter(mark for marks in marked for mark in marks)
            found["none"] += self.count() - len(marked)
            counted["mark"] = [(mark, n) for mark, n in found.items() if n]
        return counted

    def _choices(self, name: str, label: str, counted: list[tuple[str, int]]) -> Choices:
        held = {value for choice, value in self.of.choices if choice == name}
        known = {value for value, _ in counted}
        counted = [*counted, *((value, 0) for value in sorted(held - known))]
        counted.sort(key=lambda one: (ORDER.index(one[0]) if one[0] in ORDER else -1, -one[1], one[0]))
        shown = [one for place, one in enumerate(counted) if place < MOST_VALUES or one[0] in held]
        values = tuple(
            Choice(value, count, self.of.has(name, value), self.of.toggled(name, value).address())
            for value, count in shown
        )
        return Choices(name, label, values, len(counted) - len(shown))

    def _recipes(self) -> list[Choices]:
        base = Listing.__new__(Listing)
        base.of, base._index, base._hits = replace(self.of, recipe="", split=""), self._index, self._hits
        where = base._where()
        if not self._ask("select 1 as one from members limit 1", {}):
            return []
        narrowed = "" if self.of.is_everything else f"where key in (select t.key {self._from()} where {where.sql})"
        parameters = {} if self.of.is_everything else where.parameters
        recipes = self._ask(f"select recipe, count(distinct key) as n from members {narrowed} group by 1", parameters)
        found = [self._choices("recipe", "In the training set of", [(row["recipe"], row["n"]) for row in recipes])]
        if self.of.recipe:
            query = f"select split, count(distinct key) as n from members {narrowed} " + (
                f"{'and' if narrowed else 'where'} recipe = $recipe group by 1"
            )
            splits = self._ask(query, parameters | {"recipe": self.of.recipe})
            found.append(self._choices("split", "Side of its split", [(row["split"], row["n"]) for row in splits]))
        return found

    # -- conditions ---------------------------------------------------------------------------------------------

    def _sort(self):
        return self.of.of.sort(self.of.sort)

    def _from(self, marks: bool = True) -> str:
        joined = MARKS if marks and self.of.of.table != "rejections" else ""
        return f"from {self.of.of.table} t{joined}"

    def _where(self, without: str | None = None) -> Where:
        conditions: list[str] = []
        parameters: dict[str, object] = {}
        for name in dict.fromkeys(name for name, _ in self.of.choices if name != without):
            facet = self.of.of.facet(name)
            assert facet is not None  # `read` keeps no other
            values = [value for choice, value in self.of.choices if choice == name]
            parameters[name] = values
            if name == "mark":
                keys = f"select m.key from marked m where list_has_any({facet.sql}, ${name})"
                unmarked = " or t.key not in (select key from marked)" if "none" in values else ""
                conditions.append(f"(t.key in ({keys}){unmarked})")
            elif facet.many:
                conditions.append(f"list_has_any({facet.sql}, ${name})")
            else:
                conditions.append(f"list_contains(${name}, cast({facet.sql} as varchar))")
        self._add_membership(conditions, parameters)
        self._add_words(conditions)
        return Where(" and ".join(conditions) or "true", parameters)

    def _add_membership(self, conditions: list[str], parameters: dict[str, object]) -> None:
        wanted = {name: value for name in ("recipe", "split") if (value := getattr(self.of, name))}
        if wanted:
            named = " and ".join(f"{name} = ${name}" for name in wanted)
            conditions.append(f"t.key in (select key from members where {named})")
            parameters |= wanted

    def _add_words(self, conditions: list[str]) -> None:
        if self._hits is None:
            return
        hits = "select no from hits"
        functions = f"select id from functions where no in ({hits})"
        by_table = {
            "tasks": f"(t.no in ({hits}) or t.function_id in ({functions}))",
            "functions": f"t.no in ({hits})",
            "files": f"t.no in ({hits})",
            "rejections": f"t.item_id in ({functions} union all select id from files where no in ({hits}))",
        }
        conditions.append(by_table[self.of.of.table])

    def _ask(self, query: str, parameters: dict[str, object]) -> list[Row]:
        with self._index.cursor() as cursor:
            if self._hits is not None:
                cursor.register("hits", pl.DataFrame({"no": self._hits[:MOST_HITS]}, schema={"no": pl.Int64}))
            return ask(cursor, query, parameters)


MARKS = " left join marked m on m.key = t.key"
TEXTUAL = {"path", "reason"}
"""Orders whose values are text; those of the others are numbers."""


def ask(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> list[Row]:
    """Return the rows of a query as dictionaries."""
    used = {name: value for name, value in parameters.items() if f"${name}" in query}
    done = connection.execute(query, used) if used else connection.execute(query)
    names = [column[0] for column in done.description or ()]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def _read_place(place: str) -> tuple[str, int] | None:
    value, divider, key = place.rpartition("~")
    return (value, int(key)) if divider and key.isdecimal() else None
