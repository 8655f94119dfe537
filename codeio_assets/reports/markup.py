"""HTML that cannot be broken by data: text is escaped unless it was made here.

What lives here: escaping, elements, tables. What does not: what is shown (`page`, `examples`).
"""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from codeio_assets.core.values.canonical import JsonLike

MAX_TABLE_ROWS = 200
SHOWN_ID_CHARS = 16
_ID = re.compile(r"[0-9a-f]{64}")
VOID = frozenset({"br", "meta", "link", "hr"})
_VISIBLE_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {0x7F: 0x2421}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | int | float | None


def escaped(value: Content) -> Markup:
    """Return a value as HTML text; control characters become visible symbols."""
    if isinstance(value, Markup):
        return value
    text = "" if value is None else str(value)
    return Markup(html.escape(text.translate(_VISIBLE_CONTROLS)))


def joined(parts: Iterable[Content]) -> Markup:
    """Return parts one after the other, each escaped unless it is HTML."""
    return Markup("".join(escaped(part) for part in parts))


def element(name: str, *content: Content, **attributes: Content) -> Markup:
    """Return an element. `class_` and the like lose the underscore, others become dashes; None leaves one out."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    written = "".join(f' {key}="{escaped(value)}"' for key, value in pairs)
    opening = f"<{name}{written}>"
    return Markup(opening if name in VOID else f"{opening}{joined(content)}</{name}>")


def script_json(value: JsonLike) -> Markup:
    """Return JSON that is safe inside a script element and in which no text can end it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def data_table(columns: Sequence[str], rows: Sequence[Mapping[str, object]], label: str) -> Markup:
    """Return a table that scrolls inside itself, with at most `MAX_TABLE_ROWS` rows; `label` is its name."""
    numeric = {name for name in columns if any(isinstance(row[name], int | float) for row in rows)}
    head = joined(
        element("th", name.replace("_", " "), scope="col", class_="number" if name in numeric else None)
        for name in columns
    )
    body = joined(
        element(
            "tr",
            *(element("td", cell(name, row[name]), class_="number" if name in numeric else None) for name in columns),
        )
        for row in rows[:MAX_TABLE_ROWS]
    )
    table = element("table", element("thead", element("tr", head)), element("tbody", body))
    scroll = element("div", table, class_="scroll", tabindex=0, role="group", aria_label=f"Table: {label}")
    if len(rows) <= MAX_TABLE_ROWS:
        return scroll
    return joined([scroll, element("p", f"The first {MAX_TABLE_ROWS} of {len(rows):,} rows.", class_="note")])


def cell(column: str, value: Any) -> str:
    """Return the text of a value in a column: shares in percent, numbers with separators, nothing as a dash.

    Of an id, the beginning: `codeio trace` takes it.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.startswith("share") or column.endswith(("_ratio", "_share")):
        return percent(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return value[:SHOWN_ID_CHARS] if _ID.fullmatch(str(value)) else str(value)


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * share:.1f}%"
