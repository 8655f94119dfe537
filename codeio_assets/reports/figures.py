"""The plots, as plotly figures in plain JSON, each with a sentence for those who cannot see it.

What does not live here: the numbers (`sql/reports`), what plots share (`plotting`), drawing (`page.js`).
"""

from codeio_assets.core.tables.data import Row
from codeio_assets.reports.markup import percent
from codeio_assets.reports.plotting import (
    BAR_HEIGHT,
    BLUE,
    BROWN,
    CYCLE,
    GREEN,
    GREY,
    MAX_BARS,
    MAX_LEGEND_LABEL,
    ORANGE,
    PURPLE,
    RED,
    STATUS_COLOURS,
    TEAL,
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

OTHERS = "other reasons"
MAX_OUTCOMES = 5


def funnel(rows: list[Row]) -> Figure | None:
    """Bars in two panels: files and functions above; pairs, tasks and samples below. Tokens are left to the table."""
    files = [row for row in rows if row["unit"] == "files"]
    others = [row for row in rows if row["unit"] in {"pairs", "tasks", "samples"}][:MAX_BARS]
    shown = [*files, *others]
    if not any(row["rows"] for row in shown):
        return None
    split = len(others) / len(shown)
    layout = base_layout(
        showlegend=False,
        xaxis=axis(visible=False, range=[0, 1.45 * max([1, *(row["rows"] for row in files)])]),
        xaxis2=axis(visible=False, range=[0, 1.45 * max([1, *(row["rows"] for row in others)])], anchor="y2"),
        yaxis=bars_axis([label(row["step"]) for row in files], domain=[split + 0.03, 1]),
        yaxis2=bars_axis([label(row["step"]) for row in others], domain=[0, split - 0.03], anchor="x2"),
    )
    data = [_funnel_bars(files, "x", "y", BLUE), _funnel_bars(others, "x2", "y2", GREEN)]
    alt = listed((f"{row['step']} {row['rows']:,}" for row in shown), len(shown))
    return Figure(data, layout, BAR_HEIGHT * len(shown) + 60, f"Funnel. {alt}.")


def _funnel_bars(rows: list[Row], xaxis: str, yaxis: str, colour: str) -> Trace:
    def note(row: Row) -> str:
        share = row["share_of_previous"]
        return f"{row['rows']:,}" + (f" ({percent(share)})" if share is not None else "")

    return bars(
        [row["rows"] for row in rows], list(range(len(rows))), [note(row) for row in rows], "", colour,
        xaxis=xaxis, yaxis=yaxis,
    )  # fmt: skip


def rejections(rows: list[Row]) -> Figure | None:
    """One bar per step and reason, summed over sources, in flow order; a colour per step."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["step"], row["reason"])
        counts[key] = counts.get(key, 0) + row["rows"]
    if not counts:
        return None
    shown = sorted(counts, key=lambda key: (-counts[key], key))[:MAX_BARS]
    steps = list(dict.fromkeys(step for step, _ in counts))
    shown.sort(key=lambda key: (steps.index(key[0]), -counts[key], key[1]))
    data: list[Trace] = []
    for index, step in enumerate(steps):
        places = [place for place, key in enumerate(shown) if key[0] == step]
        values = [counts[shown[place]] for place in places]
        if places:
            texts = [f"{value:,}" for value in values]
            data.append(bars(values, places, texts, label(step), CYCLE[index % len(CYCLE)]))
    layout = base_layout(
        xaxis=axis(visible=False, range=[0, 1.2 * max(counts.values())]),
        yaxis=bars_axis([label(reason) for _, reason in shown]),
        barmode="overlay",
    )
    alt = listed(f"{step}: {reason} {counts[step, reason]:,}" for step, reason in shown)
    return Figure(data, layout, BAR_HEIGHT * len(shown) + 110, f"Rejections by step and reason. {alt}.")


def verdict_flow(rows: list[Row]) -> Figure | None:
    """A Sankey diagram with a column per turn: the verdicts, and which became which."""
    if not rows:
        return None
    totals: dict[tuple[int, str], int] = {}
    for row in rows:
        target = (row["turn"], row["to_status"])
        totals[target] = totals.get(target, 0) + row["rows"]
    totals = {(0, "asked"): sum(row["rows"] for row in rows if row["turn"] == 1), **totals}
    place = {node: index for index, node in enumerate(totals)}
    linked = [row for row in rows if (row["turn"] - 1, row["from_status"]) in place]
    node = {
        "label": [f"{label(_words(status))} {count:,}" for (_, status), count in totals.items()],
        "color": [STATUS_COLOURS.get(status, GREY) for _, status in totals],
        "align": "left", "pad": 18, "thickness": 14, "line": {"width": 0}, "hoverinfo": "none",
    }  # fmt: skip
    link = {
        "source": [place[row["turn"] - 1, row["from_status"]] for row in linked],
        "target": [place[row["turn"], row["to_status"]] for row in linked],
        "value": [row["rows"] for row in linked],
        "color": [f"{STATUS_COLOURS.get(row['to_status'], GREY)}66" for row in linked],
    }
    data: list[Trace] = [{"type": "sankey", "arrangement": "fixed", "node": node, "link": link}]
    turns = max(turn for turn, _ in totals)
    columns = [
        {
            "text": f"turn {turn}", "x": turn / turns, "xanchor": "right" if turn == turns else "left",
            "y": 1, "yanchor": "bottom", "xref": "paper", "yref": "paper", "showarrow": False,
        }
        for turn in range(1, turns + 1)
    ]  # fmt: skip
    layout = base_layout(annotations=columns)
    layout["margin"] = {"l": 8, "r": 12, "t": 32, "b": 16}
    alt = listed((f"turn {turn} {_words(status)} {count:,}" for (turn, status), count in totals.items() if turn), 14)
    return Figure(data, layout, 380, f"Flow of verdicts from turn to turn. {alt}.")


def _words(code: str) -> str:
    return code.replace("_", " ")


def lengths(rows: list[Row]) -> Figure | None:
    """A histogram per measure, all turns together, the directions stacked."""
    if not rows:
        return None
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    directions = list(dict.fromkeys(row["direction"] for row in rows))
    layout = base_layout(
        barmode="stack", grid={"rows": len(measures), "columns": 1, "pattern": "independent", "ygap": 0.35}
    )
    data: list[Trace] = []
    for panel, measure in enumerate(measures):
        suffix = "" if panel == 0 else str(panel + 1)
        layout[f"xaxis{suffix}"] = axis(label(measure), rangemode="tozero", showgrid=False)
        layout[f"yaxis{suffix}"] = axis("responses" if measure.startswith("response") else "prompts")
        for index, direction in enumerate(directions):
            picked = [row for row in rows if (row["measure"], row["direction"]) == (measure, direction)]
            trace = _histogram(picked, label(f"predict {direction}"), CYCLE[index % len(CYCLE)])
            data.append({**trace, "xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": panel == 0})
    alt = listed(f"{measure}: {_span([row for row in rows if row['measure'] == measure])}" for measure in measures)
    return Figure(data, layout, 210 * len(measures) + 40, f"Histograms of lengths. {alt}.")


def _histogram(rows: list[Row], name: str, colour: str) -> Trace:
    counts: dict[tuple[int, int], int] = {}
    for row in rows:
        bar = (row["length_from"], row["length_to"] + 1)
        counts[bar] = counts.get(bar, 0) + row["rows"]
    return {
        "type": "bar", "name": name, "hoverinfo": "text",
        "x": [(start + end) / 2 for start, end in counts], "width": [end - start for start, end in counts],
        "y": list(counts.values()),
        "hovertext": [f"{start:,} to {end - 1:,}: {count:,}" for (start, end), count in counts.items()],
        "marker": {"color": colour, "line": {"width": 0}},
    }  # fmt: skip


def _span(rows: list[Row]) -> str:
    start, end = min(row["length_from"] for row in rows), max(row["length_to"] for row in rows)
    return f"from {start:,} to {end:,}"


def transform_attempts(rows: list[Row]) -> Figure | None:
    """A bar per attempt, divided by what came of it; functions first, rare outcomes together last."""
    if not rows:
        return None
    rows = _with_others(rows)
    attempts = sorted({row["attempt"] for row in rows})
    totals = {attempt: sum(row["rows"] for row in rows if row["attempt"] == attempt) for attempt in attempts}
    outcomes = grouped(rows, lambda row: row["outcome"])
    order = sorted(outcomes, key=lambda name: (name != "function", name == OTHERS, -_sum(outcomes[name]), name))
    colours = (BLUE, ORANGE, PURPLE, TEAL, RED, BROWN, GREY)
    data: list[Trace] = []
    for index, outcome in enumerate(order):
        group = outcomes[outcome]
        data.append(
            {
                "type": "bar", "orientation": "h", "name": label(outcome), "hoverinfo": "text",
                "x": [row["rows"] for row in group], "y": [attempts.index(row["attempt"]) for row in group],
                "hovertext": [f"{label(outcome)}: {row['rows']:,} ({percent(row['share'])})" for row in group],
                "marker": {"color": GREEN if outcome == "function" else colours[(index - 1) % len(colours)]},
            }
        )  # fmt: skip
    layout = base_layout(
        xaxis=axis("requests"),
        yaxis=bars_axis([f"attempt {attempt}: {totals[attempt]:,}" for attempt in attempts]),
        barmode="stack",
    )
    height = 2 * BAR_HEIGHT * len(attempts) + 130 + 14 * len(order)
    won = [row for row in rows if row["outcome"] == "function"]
    alt = listed(f"attempt {row['attempt']}: {row['rows']:,} of {totals[row['attempt']]:,} gave one" for row in won)
    return Figure(data, layout, height, f"Requests for a function, by attempt. {alt or 'None gave one'}.")


def _sum(rows: list[Row]) -> int:
    return sum(row["rows"] for row in rows)


def _with_others(rows: list[Row]) -> list[Row]:
    """Return the rows with all outcomes but the most frequent as one per attempt; the table has them apart."""
    outcomes = grouped([row for row in rows if row["outcome"] != "function"], lambda row: row["outcome"])
    frequent = sorted(outcomes, key=lambda name: (-_sum(outcomes[name]), name))[:MAX_OUTCOMES]
    kept = [row for row in rows if row["outcome"] in {"function", *frequent}]
    others = grouped([row for row in rows if row not in kept], lambda row: row["attempt"])
    for attempt, group in others.items():
        share = sum(row["share"] for row in group)
        kept.append({"attempt": attempt, "outcome": OTHERS, "rows": _sum(group), "share": share})
    return kept


def losses(rows: list[Row]) -> Figure | None:
    """A line per recipe, stage and series: solid for training, dotted between the two held-out measurements."""
    if not rows:
        return None
    runs = list(dict.fromkeys((row["recipe"], row["stage"]) for row in rows))
    data: list[Trace] = []
    words: list[str] = []
    for (recipe, stage, series), group in grouped(
        rows, lambda row: (row["recipe"], row["stage"], row["series"])
    ).items():
        colour = CYCLE[runs.index((recipe, stage)) % len(CYCLE)]
        held_out = series == "held out"
        name = f"{recipe}, stage {stage}, {series}"
        symbol, size, dash = ("diamond", 11, "dot") if held_out else ("circle", 5, "solid")
        words.append(f"{name}: {group[0]['loss']:.3f} at first, {group[-1]['loss']:.3f} at last")
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": label(name, MAX_LEGEND_LABEL), "hoverinfo": "text",
                "x": [row["step"] for row in group], "y": [row["loss"] for row in group],
                "text": [f"step {row['step']:,}: {row['loss']:.4f}" for row in group],
                "line": {"color": colour, "width": 2, "dash": dash},
                "marker": {"color": colour, "size": size, "symbol": symbol},
            }
        )  # fmt: skip
    layout = base_layout(xaxis=axis("step"), yaxis=axis("loss per completion token"))
    return Figure(data, layout, 340 + 14 * len(data), f"Losses by step. {listed(words)}.")
