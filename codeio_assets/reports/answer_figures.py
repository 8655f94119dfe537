"""The plots about how good answers are: accuracy by this and that, drift, flaws of chains of thought.

What does not live here: the numbers (`sql/reports`), the other plots (`figures`), what plots share (`plotting`).
"""

from collections.abc import Sequence

from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.intervals import wilson
from codeio_assets.reports.markup import percent
from codeio_assets.reports.plotting import (
    BAR_HEIGHT,
    BLUE,
    CYCLE,
    GREEN,
    MAX_BARS,
    MAX_LEGEND_LABEL,
    Figure,
    Trace,
    axis,
    bars,
    bars_axis,
    base_layout,
    grouped,
    label,
    listed,
)

SYMBOLS = ("circle", "diamond", "square", "cross")
DASHES = ("solid", "dot", "dash", "dashdot")
SIDES = ("top center", "bottom center")
FEWEST_FOR_A_LINE = 5
"""A line through fewer points shows a course that nobody measured."""


def accuracy(rows: list[Row]) -> Figure | None:
    """Two bars per direction, source and model: the share right at turn 1, and by the last turn."""
    groups: dict[tuple[str, str, str], dict[int, Row]] = {}
    for row in rows:
        groups.setdefault((row["direction"], row["source"], row["model_id"]), {})[row["turn"]] = row
    shown = {key: turns for key, turns in groups.items() if 1 in turns}
    shown = dict(list(shown.items())[: MAX_BARS // 2])
    if not shown:
        return None
    with_model = len({model for _, _, model in shown}) > 1
    names = [f"{direction}, {source}" + (f", {model}" if with_model else "") for direction, source, model in shown]
    first = [turns[1] for turns in shown.values()]
    last = [turns[max(turns)] for turns in shown.values()]
    places = list(range(len(shown)))
    data = [
        bars([row["share_so_far"] for row in picked], places, [_of(row) for row in picked], name, colour)
        for name, picked, colour in (("turn 1", first, BLUE), ("by the last turn", last, GREEN))
    ]
    layout = base_layout(
        xaxis=axis(tickformat=".0%", range=[0, 1.95], tickvals=[0, 0.5, 1], tickangle=0),
        yaxis=bars_axis([label(name) for name in names]),
        barmode="group",
        bargap=0.25,
    )
    alt = listed(
        f"{name}: {percent(a['share_so_far'])} at turn 1, {percent(b['share_so_far'])} by the last turn"
        for name, a, b in zip(names, first, last, strict=True)
    )
    return Figure(data, layout, 2 * BAR_HEIGHT * len(shown) + 100, f"Share of tasks right, by direction. {alt}.")


def _of(row: Row) -> str:
    low, high = wilson(int(row["correct_so_far"]), int(row["tasks"]))
    return f"{percent(row['share_so_far'])} of {row['tasks']:,} ({low:.0%} to {high:.0%})"


def accuracy_by_length(rows: list[Row]) -> Figure | None:
    """A line per direction: share right at turn 1 over the length of the response."""
    edges = [(row["direction"], int(row["tokens_from"]), int(row["tokens_to"]), row) for row in rows]
    return _by_size(edges, "tokens of the response, from", "tokens", "Share right by length of the response")


def accuracy_by_difficulty(rows: list[Row]) -> Figure | None:
    """A line per direction: share right at turn 1 over the lines of the reference code."""
    edges = [
        (row["direction"], int(row["level_from"]), int(row["level_to"]), row)
        for row in rows
        if row["measure"] == "lines of reference code"
    ]
    return _by_size(edges, "lines of reference code, from", "lines", "Share right by lines of reference code")


def _by_size(edges: list[tuple[str, int, int, Row]], title: str, unit: str, told: str) -> Figure | None:
    if not edges:
        return None
    data: list[Trace] = []
    for index, (direction, group) in enumerate(grouped(edges, lambda edge: edge[0]).items()):
        texts = [f"{a:,} to {b:,} {unit}: {row['correct']:,} of {row['total']:,}" for _, a, b, row in group]
        data.append(
            _points([edge[1] for edge in group], [edge[3] for edge in group], texts, f"predict {direction}", index)
        )
    starts = sorted({start for _, start, _, _ in edges})
    layout = base_layout(
        xaxis=axis(title, type="log", tickvals=starts, ticktext=[f"{start:,}" for start in starts]),
        yaxis=axis("right at turn 1, with 95% interval", tickformat=".0%", range=[-0.03, 1.08]),
    )
    alt = listed(
        f"{direction} from {start:,} {unit} {percent(row['share'])} of {row['total']:,}"
        for direction, start, _, row in edges
    )
    return Figure(data, layout, 340, f"{told}. {alt}.")


def _points(x: Sequence[float], rows: list[Row], texts: list[str], name: str, index: int) -> Trace:
    """Return shares with their 95% intervals and counts; a line only joins what is more than a few points."""
    colour = CYCLE[index % len(CYCLE)]
    intervals = [wilson(int(row["correct"]), int(row["total"])) for row in rows]
    shares = [row["correct"] / row["total"] if row["total"] else 0.0 for row in rows]
    mode = "lines+markers+text" if len(rows) >= FEWEST_FOR_A_LINE else "markers+text"
    return {
        "type": "scatter", "mode": mode, "name": label(name, MAX_LEGEND_LABEL), "hoverinfo": "text",
        "x": x, "y": shares, "hovertext": [label(text, 120) for text in texts],
        "text": [f"{row['total']:,}" for row in rows], "textposition": SIDES[index % len(SIDES)],
        "error_y": {
            "type": "data", "symmetric": False, "color": colour, "thickness": 1,
            "array": [max(0.0, high - share) for share, (_, high) in zip(shares, intervals, strict=True)],
            "arrayminus": [max(0.0, share - low) for share, (low, _) in zip(shares, intervals, strict=True)],
        },
        "marker": {"color": colour, "size": 9, "symbol": SYMBOLS[index % len(SYMBOLS)]},
        "line": {"color": colour, "width": 2, "dash": DASHES[index % len(DASHES)]},
    }  # fmt: skip


def drift(rows: list[Row]) -> Figure | None:
    """A line per shard and direction over its versions, oldest first; one version is no change to show."""
    groups = grouped(rows, lambda row: (row["shard"], row["direction"]))
    groups = {key: group for key, group in groups.items() if len(group) > 1}
    groups = dict(sorted(groups.items(), key=lambda one: -_change(one[1]))[: len(CYCLE)])
    if not groups:
        return None
    data: list[Trace] = []
    for index, ((shard, direction), group) in enumerate(groups.items()):
        texts = [
            f"{row['shard']}, {row['written_at'][:16]}: {row['correct']:,} of {row['total']:,}, {row['model_id']}"
            for row in group
        ]
        data.append(_points(list(range(1, len(group) + 1)), group, texts, f"{shard}, predict {direction}", index))
    layout = base_layout(
        xaxis=axis(
            "version of the shard, oldest first", dtick=1 if max(map(len, groups.values())) <= 12 else None, tick0=1
        ),
        yaxis=axis("right at turn 1, with 95% interval", tickformat=".0%", range=[-0.03, 1.08]),
    )
    alt = listed(
        f"{shard}, {direction}: {percent(group[0]['share'])} at first, {percent(group[-1]['share'])} at last"
        for (shard, direction), group in groups.items()
    )
    return Figure(data, layout, 300 + 22 * len(data), f"Share right by version of a shard. {alt}.")


def _change(group: list[Row]) -> float:
    shares = [row["share"] for row in group]
    return max(shares) - min(shares)


def cot_flaws(rows: list[Row]) -> Figure | None:
    """A group of bars per flaw, one for each model and source: the share of responses that have it."""
    groups = grouped(rows, lambda row: (row["source"], row["model_id"]))
    groups = dict(list(groups.items())[:4])
    if not groups:
        return None
    with_model = len({model for _, model in groups}) > 1
    worst: dict[str, float] = {}
    for row in rows:
        worst[row["flaw"]] = max(worst.get(row["flaw"], 0.0), row["share"])
    flaws = sorted(worst, key=lambda flaw: (-worst[flaw], flaw))
    data: list[Trace] = []
    for index, ((source, model), group) in enumerate(groups.items()):
        share = {row["flaw"]: row for row in group}
        found = [flaw for flaw in flaws if flaw in share]
        name = source + (f", {model}" if with_model else "")
        texts = [f"{percent(share[flaw]['share'])} ({share[flaw]['rows']:,})" for flaw in found]
        places = [flaws.index(flaw) for flaw in found]
        data.append(bars([share[flaw]["share"] for flaw in found], places, texts, label(name), CYCLE[index]))
    layout = base_layout(
        xaxis=axis(tickformat=".0%", range=[0, 1.3 * max([0.05, *worst.values()])], nticks=5, tickangle=0),
        yaxis=bars_axis([label(flaw.replace("_", " ")) for flaw in flaws]),
        barmode="group",
        bargap=0.25,
    )
    alt = listed((f"{flaw.replace('_', ' ')} {percent(worst[flaw])}" for flaw in flaws), len(flaws))
    height = (BAR_HEIGHT - 8) * len(flaws) * max(len(groups), 1) + 120
    return Figure(data, layout, height, f"Share of responses with a flaw, at the worst model and source. {alt}.")
