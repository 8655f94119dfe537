"""The table of results as Markdown, CSV and HTML, and the gains as a plot.

What does not live here: its numbers (`results`).
"""

import csv
import io
from collections.abc import Callable, Sequence
from html import escape
from statistics import fmean
from typing import Final

from codeio_assets.evaluation.results import COLUMNS, Cell, Gain, Group, Table, TableRow

_ROW_HEIGHT: Final = 26
_LEFT: Final = 110
_WIDTH: Final = 520
_STYLE: Final = """
table.results { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums }
table.results th, table.results td { padding: 0.25rem 0.5rem; text-align: right; border-bottom: 1px solid #ddd }
table.results th:first-child, table.results td:first-child { text-align: left }
table.results tr.own { font-weight: 600; background: #f3f7fb }
"""


def headings(table: Table) -> list[str]:
    """Return the table's headings."""
    average = "average" if table.is_whole else f"average of {len(table.averaged)}"
    return ["base", "stage 1", *(COLUMNS[column] for column in table.columns), average]


def _texts(table: Table, row: TableRow) -> list[str]:
    average = row.average(table.averaged)
    cells = [_number(row.cells.get(column)) for column in table.columns]
    return [row.base, row.name, *cells, "" if average is None else f"{average:.1f}"]


def _number(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell.value:.1f}"


def markdown(table: Table) -> str:
    """Return the table in Markdown; rows of one's own are in bold, with the gains below."""
    heads = headings(table)
    lines = [_line(heads), _line(["---", "---", *["---:"] * (len(heads) - 2)])]
    for row in table.rows:
        texts = [text.replace("|", "\\|") for text in _texts(table, row)]
        lines.append(_line(texts if row.is_published else [f"**{text}**" if text else "" for text in texts]))
    return "\n".join([*lines, *_detail_lines(table), *_gain_lines(table), *_group_lines(table)]) + "\n"


_DETAIL_HEADS: Final = ("benchmark", "questions", "score", "95% interval", "no answer", "truncated", "unleaked", "rare")


def _detail_texts(column: str, cell: Cell) -> list[str]:
    """Return what a cell of one's own rests on; the last two are scores without leaked questions."""
    interval = "" if cell.low is None or cell.high is None else f"{cell.low:.1f} to {cell.high:.1f}"
    shares = ["" if share is None else f"{share:.0%}" for share in (cell.no_answer_ratio, cell.truncated_ratio)]
    unleaked = ["" if value is None else f"{value:.1f}" for value in (cell.unleaked, cell.rare_unleaked)]
    return [COLUMNS[column], f"{cell.n_questions or 0:,}", f"{cell.value:.1f}", interval, *shares, *unleaked]


def _details(row: TableRow) -> list[list[str]]:
    return [_detail_texts(column, row.cells[column]) for column in COLUMNS if column in row.cells]


def _detail_lines(table: Table) -> list[str]:
    lines: list[str] = []
    for row in table.rows:
        if not row.is_published:
            lines += [
                "",
                f"What the scores of {row.base} {row.name}".rstrip() + " rest on:",
                "",
                *_markdown_table(_DETAIL_HEADS, _details(row)),
            ]
    return lines


def _markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose first column is text and whose others are numbers."""
    return [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)]), *(_line(row) for row in rows)]


_GROUP_HEADS: Final = ("in the paper", "recipe", "the paper's average of 14", "ours", "over")


def _group_rows(group: Group) -> list[list[str]]:
    columns = group.columns
    return [
        [
            member.label,
            member.row.name,
            "plotted" if member.published is None else f"{member.published:.1f}",
            "" if (average := member.row.average(columns)) is None else f"{average:.1f}",
            f"{len(columns)} benchmark{'' if len(columns) == 1 else 's'}",
        ]
        for member in group.members
    ]


def _group_lines(table: Table) -> list[str]:
    lines: list[str] = []
    for group in table.groups:
        lines += ["", f"{group.title}:", "", *_markdown_table(_GROUP_HEADS, _group_rows(group))]
    return lines


def card_section(row: TableRow, gains: Sequence[Gain]) -> str:
    """Return what a checkpoint's model card says of benchmarks, in Markdown."""
    lines = ["## Benchmarks", "", "In percent, greedy. `unleaked` leaves out questions that share an n-gram with the"]
    lines += ["training set, `rare` only those that share one which few questions have.", ""]
    lines += _markdown_table(_DETAIL_HEADS, _details(row))
    if gains:
        lines += ["", "Gains over the recipe without CodeI/O data, on the same questions:", "", *_gain_table(gains)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _gain_lines(table: Table) -> list[str]:
    lines: list[str] = []
    for name, gains in table.gains.items():
        lines += ["", f"Gains of {name} over its baseline, on the same questions:", "", *_gain_table(gains)]
    return lines


_GAIN_HEADS: Final = ("benchmark", "questions", "gain", "95% interval", "gained", "lost", "p", "unleaked gain")


def _gain_table(gains: Sequence[Gain]) -> list[str]:
    mean = fmean(gain.paired.difference for gain in gains)
    average = [f"average of {len(gains)}", "", f"{mean:+.1f}", *[""] * 5]
    return _markdown_table(_GAIN_HEADS, [*(_gain_texts(gain) for gain in gains), average])


def _gain_texts(gain: Gain) -> list[str]:
    paired = gain.paired
    interval = f"{paired.low:+.1f} to {paired.high:+.1f}"
    counts = [f"{paired.n_gained:,}", f"{paired.n_lost:,}", f"{paired.p_value:.3f}"]
    unleaked = "" if gain.unleaked is None else f"{gain.unleaked.difference:+.1f} of {gain.unleaked.n:,}"
    return [COLUMNS[gain.column], f"{paired.n:,}", f"{paired.difference:+.1f}", interval, *counts, unleaked]


_DETAILS: Final = (
    *("value", "low", "high", "n_questions", "no_answer_ratio", "truncated_ratio", "unleaked", "rare_unleaked"),
)


def as_csv(table: Table) -> str:
    """Return one line per row and benchmark, with everything that is known of the cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["base", "stage1", "published", "benchmark", *_DETAILS])
    for row in table.rows:
        for column in table.columns:
            cell = row.cells.get(column)
            if cell is not None:
                details = [getattr(cell, name) for name in _DETAILS]
                writer.writerow([row.base, row.name, row.is_published, column, *details])
    return text.getvalue()


def html(table: Table, title: str = "Results") -> str:
    """Return a page with the table, and a plot of the gains of each row that has a baseline."""
    head = "".join(f"<th scope='col'>{escape(each)}</th>" for each in headings(table))
    body = "".join(_html_row(table, row) for row in table.rows)
    plots = "".join(f"<h2>{escape(name)}</h2>{gain_plot(gains)}" for name, gains in table.gains.items())
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><table class='results'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{plots}{_html_sections(table)}</html>\n"
    )


def _html_sections(table: Table) -> str:
    """Return what one's own scores rest on, and the groups of recipes."""
    own = [row for row in table.rows if not row.is_published]
    details = [(f"{row.base}, {row.name}", _DETAIL_HEADS, _details(row)) for row in own]
    grouped = [(group.title, _GROUP_HEADS, _group_rows(group)) for group in table.groups]
    return "".join(_html_table(*each) for each in (*grouped, *details))


def _html_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{_cells('th', heads)}</tr></thead>"
    return f"<h2>{escape(title)}</h2><table class='results'>{head}<tbody>{body}</tbody></table>"


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _html_row(table: Table, row: TableRow) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in _texts(table, row))
    return f"<tr{'' if row.is_published else ' class=own'}>{cells}</tr>"


def gain_plot(gains: Sequence[Gain]) -> str:
    """Return an SVG: a point per benchmark with its 95% interval, in points around zero."""
    reach = max([5.0, *(max(abs(gain.paired.low), abs(gain.paired.high)) for gain in gains)])
    height = _ROW_HEIGHT * (len(gains) + 1)
    middle = _LEFT + (_WIDTH - _LEFT) / 2

    def at(points: float) -> float:
        return round(middle + points / reach * (_WIDTH - _LEFT - 20) / 2, 1)

    marks = "".join(_gain_mark(gain, _ROW_HEIGHT * (n + 0.5), at) for n, gain in enumerate(gains))
    axis = f"<line x1='{middle}' x2='{middle}' y1='0' y2='{height - _ROW_HEIGHT}' stroke='#888'/>"
    ends = "".join(
        f"<text x='{at(value)}' y='{height - 6}' font-size='11' text-anchor='middle'>{value:+.0f}</text>"
        for value in (-reach, reach)
    )
    return (
        f"<svg role='img' aria-label='gain per benchmark in points, with 95% intervals' width='{_WIDTH}'"
        f" height='{height}' font-family='sans-serif'>{axis}{marks}{ends}</svg>"
    )


def _gain_mark(gain: Gain, y: float, at: Callable[[float], float]) -> str:
    paired = gain.paired
    colour = "#0b6e4f" if paired.low > 0 else "#a4262c" if paired.high < 0 else "#555"
    label = " ".join(_gain_texts(gain)[2:4])
    return (
        f"<text x='{_LEFT - 8}' y='{y + 4}' font-size='12' text-anchor='end'>{escape(COLUMNS[gain.column])}</text>"
        f"<line x1='{at(paired.low)}' x2='{at(paired.high)}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='2'/>"
        f"<circle cx='{at(paired.difference)}' cy='{y}' r='4' fill='{colour}'><title>{label}</title></circle>"
    )
