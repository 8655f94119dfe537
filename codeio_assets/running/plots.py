"""Plots for the metadata of a materialisation: small SVG images inside Markdown, which the UI shows as they are.

What does not live here: the plots of the quality report (`reports.figures`).
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import dagster as dg

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 300, 64, 28, 44
COLORS = ("#3b6fb6", "#d1622b", "#2f8f5b", "#8d5bb0")
TICKS = 4

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    label: str
    series: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps numbers to pixels of the plot's area."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        right, low = WIDTH - 16, HEIGHT - BOTTOM
        return round(LEFT + across * (right - LEFT), 1), round(low - up * (low - TOP), 1)


def line_plot(lines: Mapping[str, Points], x_title: str, y_title: str) -> dg.MetadataValue:
    """Return lines over common axes; a line of a few points shows them as dots."""
    drawn = {name: points for name, points in lines.items() if points}
    if not drawn:
        return dg.MetadataValue.md("Nothing to plot.")
    every = [point for points in drawn.values() for point in points]
    scale = _Scale(_span([x for x, _ in every]), _span([y for _, y in every], margin=0.05))
    parts = [_axes(scale, x_title, y_title), _legend(list(drawn))]
    for color, points in zip(_colors(len(drawn)), drawn.values(), strict=True):
        places = [scale.at(x, y) for x, y in points]
        path = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        if len(places) <= 12:
            parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{color}"/>' for x, y in places]
    return _markdown(parts, f"{y_title} over {x_title}: {', '.join(drawn)}")


def interval_plot(intervals: Sequence[Interval], y_title: str) -> dg.MetadataValue:
    """Return estimates side by side, grouped by label, one colour per series, with their intervals as bars."""
    if not intervals:
        return dg.MetadataValue.md("Nothing to plot.")
    labels = list(dict.fromkeys(one.label for one in intervals))
    series = list(dict.fromkeys(one.series for one in intervals))
    scale = _Scale((0, len(labels)), _span([end for one in intervals for end in (one.low, one.high)], margin=0.05))
    parts = [_axes(scale, "", y_title, x_ticks=False), _legend(series)]
    colors = dict(zip(series, _colors(len(series)), strict=True))
    for one in intervals:
        place = labels.index(one.label) + (series.index(one.series) + 1) / (len(series) + 1)
        x, y = scale.at(place, one.value)
        _, top = scale.at(place, one.high)
        _, low = scale.at(place, one.low)
        parts.append(f'<path d="M{x} {low}V{top}M{x - 6} {low}h12M{x - 6} {top}h12" stroke="{colors[one.series]}"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{colors[one.series]}"/>')
    for index, label in enumerate(labels):
        x, _ = scale.at(index + 0.5, 0)
        parts.append(f'<text x="{x}" y="{HEIGHT - 26}" text-anchor="middle">{escape(label)}</text>')
    told = "; ".join(f"{one.series} {one.label} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in intervals)
    return _markdown(parts, f"{y_title}: {told}")


def _span(values: Sequence[float], margin: float = 0.0) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * margin or (abs(high) * margin)
    return low - room, high + room


def _colors(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def _axes(scale: _Scale, x_title: str, y_title: str, x_ticks: bool = True) -> str:
    right, low = WIDTH - 16, HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT} {TOP}V{low}H{right}" fill="none" stroke="#888"/>']
    for tick in range(TICKS + 1):
        share = tick / TICKS
        value = scale.y[0] + share * (scale.y[1] - scale.y[0])
        _, y = scale.at(scale.x[0], value)
        parts.append(f'<path d="M{LEFT} {y}H{right}" stroke="#8884"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>')
        if x_ticks:
            value = scale.x[0] + share * (scale.x[1] - scale.x[0])
            x, _ = scale.at(value, scale.y[0])
            parts.append(f'<text x="{x}" y="{low + 16}" text-anchor="middle">{value:.4g}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">')
    return "".join([*parts, f"{escape(y_title)}</text>"])


def _legend(names: Sequence[str]) -> str:
    parts: list[str] = []
    for index, (name, color) in enumerate(zip(names, _colors(len(names)), strict=True)):
        x = LEFT + 10 + index * 140
        parts.append(f'<rect x="{x}" y="8" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{x + 18}" y="18">{escape(name)}</text>')
    return "".join(parts)


def _markdown(parts: Sequence[str], alt: str) -> dg.MetadataValue:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="12" fill="#666"'
    image = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>'
    packed = base64.b64encode(image.encode()).decode()
    return dg.MetadataValue.md(f"![{alt.replace('[', '(').replace(']', ')')}](data:image/svg+xml;base64,{packed})")
