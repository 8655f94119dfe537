"""What all plots share: the record of a figure, palette, labels, axes and bars, in plotly's JSON.

Colours of text, axes and backgrounds are left to the page's style sheet, which knows light, dark and paper.
What does not live here: the single plots (`figures`), drawing (`page.js`).
"""

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from codeio_assets.core.values.canonical import JsonLike

BLUE, ORANGE, GREEN, RED = "#3d7fc1", "#c9731d", "#2f9668", "#cf4a52"
PURPLE, TEAL, BROWN, GREY = "#9467bd", "#1f92a3", "#a2744b", "#7d868f"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, TEAL, RED, BROWN, GREY)
STATUS_COLOURS = {
    "asked": GREY, "correct": GREEN, "wrong": RED, "exception": ORANGE, "timeout": PURPLE,
    "out_of_memory": BROWN, "no_answer": BLUE, "infrastructure": TEAL,
}  # fmt: skip

MAX_BARS = 30
MAX_LABEL = 30
MAX_LEGEND_LABEL = 48
BAR_HEIGHT = 26

Trace = dict[str, JsonLike]
Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot: plotly's `data` and `layout`, its height in CSS pixels, and what it shows in words."""

    data: list[Trace]
    layout: dict[str, JsonLike]
    height: int
    alt: str

    def as_json(self) -> dict[str, JsonLike]:
        """Return what the page's script draws."""
        return {"data": self.data, "layout": {**self.layout, "height": self.height}}


def label(text: object, limit: int = MAX_LABEL) -> str:
    """Return data as a label: shortened, and without meaning in plotly's own markup."""
    plain = " ".join(str(text).split())
    short = plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
    return html.escape(short, quote=False)


def base_layout(**more: JsonLike) -> dict[str, JsonLike]:
    """Return the layout that all plots begin with: no background of its own, legend on top, no dragging."""
    return {
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8, "pad": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
        "dragmode": False,
        "autosize": True,
        **more,
    }


def axis(title: str | None = None, **more: JsonLike) -> dict[str, JsonLike]:
    """Return an axis whose labels make room for themselves and that a swipe over the page does not move."""
    titled: dict[str, JsonLike] = {"title": {"text": title, "standoff": 8}} if title else {}
    return {"automargin": True, "fixedrange": True, "zeroline": False, **titled, **more}


def bars_axis(labels: list[str], **more: JsonLike) -> dict[str, JsonLike]:
    """Return the axis of horizontal bars at 0, 1, 2, …, the first at the top; equal labels stay apart."""
    ticks: dict[str, JsonLike] = {"tickmode": "array", "tickvals": list(range(len(labels))), "ticktext": labels}
    return axis(None, showgrid=False, range=[len(labels) - 0.5, -0.5], **ticks, **more)


def listed(parts: Iterable[str], limit: int = 8) -> str:
    """Return the first parts as one text, and how many more there are."""
    items = list(parts)
    more = f"; and {len(items) - limit} more" if len(items) > limit else ""
    return "; ".join(items[:limit]) + more


def bars(x: Sequence[float], y: list[int], text: list[str], name: str, colour: str, **more: JsonLike) -> Trace:
    """Return horizontal bars with their text beside them."""
    return {
        "type": "bar", "orientation": "h", "x": x, "y": y, "text": text, "textposition": "outside",
        "cliponaxis": False, "constraintext": "none", "hoverinfo": "text", "name": name,
        "marker": {"color": colour}, **more,
    }  # fmt: skip


def grouped(rows: list[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return rows by a key, both in their order."""
    groups: dict[Key, list[Item]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
