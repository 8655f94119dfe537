"""The lists: by what each can be narrowed and sorted. Expressions are over `t`, the list's table in the index.

What does not live here: reading an address and asking the index (`listing`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PASS_RATE: Final = (
    "case when t.pass_rate < 0 then 'unknown' when t.pass_rate = 0 then '0%' when t.pass_rate <= 0.25 then '1-25%' "
    "when t.pass_rate <= 0.5 then '26-50%' when t.pass_rate <= 0.75 then '51-75%' when t.pass_rate < 1 "
    "then '76-99%' else '100%' end"
)
LENGTH: Final = (
    "case when t.tokens < 100 then '0-99' when t.tokens < 200 then '100-199' when t.tokens < 400 then '200-399' "
    "when t.tokens < 800 then '400-799' when t.tokens < 1600 then '800-1599' else '1600 and more' end"
)
ORDER: Final = (
    "unknown", "0%", "1-25%", "26-50%", "51-75%", "76-99%", "100%",
    "0-99", "100-199", "200-399", "400-799", "800-1599", "1600 and more",
)  # fmt: skip
"""Values that are shown in this order and not by their count."""
MARKED: Final = "case when m.is_flagged then ['flag'] else [] end || [coalesce(nullif(m.decision, ''), 'none')]"


@dataclass(frozen=True, slots=True)
class Facet:
    """One way to narrow a list; `sql` gives the value of a row, or its values if `many`."""

    name: str
    label: str
    sql: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One order of a list; rows of one value are in the order of their keys."""

    name: str
    label: str
    sql: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class List:
    """A list of items of one kind."""

    table: str
    label: str
    kind: str
    identity: str
    facets: tuple[Facet, ...]
    sorts: tuple[Sort, ...]

    def facet(self, name: str) -> Facet | None:
        """Return a facet by name."""
        return next((facet for facet in self.facets if facet.name == name), None)

    def sort(self, name: str) -> Sort:
        """Return an order by name, the first when there is none of that name."""
        return next((sort for sort in self.sorts if sort.name == name), self.sorts[0])


def counts_query(of: List, facets: Iterable[Facet], where: str, marks: str = "") -> str:
    """Return the query of (facet, value, n): how many rows that meet a condition have each value of some facets.

    `marks` joins the marks as `m` for the facet that needs them.
    """
    parts: list[str] = []
    for facet in facets:
        value = f"unnest({facet.sql})" if facet.many else facet.sql
        joined = marks if facet.name == "mark" else ""
        parts.append(
            f"select '{facet.name}' as facet, value, n from (select cast(value as varchar) as value, count(*) as n "
            f"from (select {value} as value from {of.table} t{joined} where {where}) group by 1)"
        )
    return " union all ".join(parts)


_SOURCE = Facet("source", "Source", "t.source")
_SHARD = Facet("shard", "Shard", "t.part")
_LICENSE = Facet("license", "Licence", "coalesce(nullif(t.license, ''), 'not stated')")
_MODEL = Facet("model", "Model", "coalesce(nullif(t.model, ''), 'none')")
_PASS_RATE = Facet("pass_rate", "Right at turn 1, of its function", PASS_RATE)
_MARK = Facet("mark", "Mark", MARKED, many=True)
_BY_ID = Sort("id", "by id (as good as by chance)", "0::double")

TASKS: Final = List(
    "tasks",
    "Tasks",
    "task",
    "t.id",
    (
        Facet("turn1", "Turn 1", "t.first_status"),
        Facet("last", "After revision", "t.last_status"),
        Facet("direction", "Predicts the", "t.direction"),
        _SOURCE,
        _MODEL,
        Facet("flaw", "Flaw of an answer", "t.flaws", many=True),
        _PASS_RATE,
        Facet("length", "Tokens of the answer", LENGTH),
        Facet("response", "Response", "t.response_status"),
        _LICENSE,
        _SHARD,
        _MARK,
    ),
    (
        _BY_ID,
        Sort("longest", "longest answer first", "t.tokens", descending=True),
        Sort("shortest", "shortest answer first", "t.tokens"),
        Sort("hardest", "hardest function first", "t.pass_rate"),
        Sort("turns", "most turns first", "t.turns", descending=True),
        Sort("path", "by path", "t.path"),
    ),
)
FUNCTIONS: Final = List(
    "functions",
    "Functions",
    "function",
    "t.id",
    (
        Facet("fate", "Became", "t.fate"),
        _SOURCE,
        _PASS_RATE,
        Facet("pairs", "Pairs", "t.pairs"),
        Facet("attempt", "Request that gave it", "t.attempt"),
        _MODEL,
        _LICENSE,
        _SHARD,
        _MARK,
    ),
    (
        _BY_ID,
        Sort("hardest", "hardest first", "t.pass_rate"),
        Sort("code", "longest code first", "t.code_lines", descending=True),
        Sort("path", "by path", "t.path"),
    ),
)
FILES: Final = List(
    "files",
    "Files",
    "file",
    "t.id",
    (Facet("fate", "Became", "t.fate"), _SOURCE, _LICENSE, _SHARD, _MARK),
    (_BY_ID, Sort("largest", "largest first", "t.size_bytes", descending=True), Sort("path", "by path", "t.path")),
)
REJECTIONS: Final = List(
    "rejections",
    "Rejections",
    "rejection",
    "t.item_id",
    (Facet("reason", "Reason", "t.reason"), Facet("step", "Dropped by", "t.step"), _SOURCE, _SHARD),
    (Sort("id", "by id", "0::double"), Sort("reason", "by reason", "t.reason")),
)
LISTS: Final = {one.table: one for one in (TASKS, FUNCTIONS, FILES, REJECTIONS)}
