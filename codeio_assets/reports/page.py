"""The page: its sections, headline numbers, style and script, put together into one file without outside parts.

The content security policy lets nothing be fetched and no script run but ours, so that even markup that slipped
through could do nothing. Plotly's script travels compressed (5 MB would be 2) and is unpacked by the browser.
What does not live here: the plots (`figures`), the examples (`examples`), the numbers (`sql/reports`).
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from plotly.offline import get_plotlyjs  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from codeio_assets.reports import answer_figures, figures
from codeio_assets.reports.examples import render_examples
from codeio_assets.reports.figures import Figure
from codeio_assets.reports.headline import render_headline
from codeio_assets.reports.markup import Markup, data_table, element, escaped, joined, script_json
from codeio_assets.reports.queries import QueryResult, Row

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: a query with its plot, or as a plain table, and further tables about the same matter."""

    query: str
    title: str
    nothing: str
    plot: Callable[[list[Row]], Figure | None] | None = None
    more: tuple[str, ...] = ()


SECTIONS = (
    Section("funnel", "Funnel", "Nothing was read yet: materialise raw_code_files first.", figures.funnel, ("shards",)),
    Section("rejections", "Rejections", "Nothing was rejected.", figures.rejections),
    Section(
        "transform_attempts",
        "What repair wins",
        "No file was sent to a model yet.",
        figures.transform_attempts,
        ("transform_wins",),
    ),
    Section("verdict_flow", "Verdicts from turn to turn", "Nothing was judged yet.", figures.verdict_flow),
    Section("accuracy", "Accuracy", "Nothing was judged yet.", answer_figures.accuracy),
    Section("accuracy_by_length", "Accuracy by length", "Nothing was judged yet.", answer_figures.accuracy_by_length),
    Section(
        "accuracy_by_difficulty",
        "Accuracy by difficulty",
        "Nothing was judged yet.",
        answer_figures.accuracy_by_difficulty,
    ),
    Section("drift", "Drift", "No shard was judged twice yet.", answer_figures.drift),
    Section("cot_flaws", "Chains of thought", "No chain of thought was read yet.", answer_figures.cot_flaws),
    Section("cot_grounding", "Chains of thought and the execution", ""),
    Section("pass_rates", "Pass rates", ""),
    Section("lengths", "Lengths", "No prediction was made yet.", figures.lengths, ("length_quantiles",)),
    Section("quality_rates", "Duplicates and constants", "Nothing to search yet."),
    Section("published_data", "Published data", ""),
    Section("hardest_functions", "Functions that fail most", "Nothing was judged yet."),
    Section("slow_functions", "Slowest functions", "No function was executed yet."),
    Section("losses", "Losses", "Nothing was trained yet.", figures.losses, ("checkpoints",)),
    Section("benchmark_results", "Benchmarks", ""),
    Section("usage", "Cost and throughput", "No model was asked yet.", None, ("model_usage",)),
)
OF_RECIPES = frozenset({"losses"})
"""Sections that a report on one shard has no part in."""
IF_ANY = frozenset({"benchmark_results", "cot_grounding", "pass_rates", "published_data"})
"""Sections about what most projects do not have: left out when there is nothing."""
EXAMPLES = Section("examples", "Examples to read", "Nothing was judged yet.")


def render_page(results: Mapping[str, QueryResult], shard: str | None = None) -> str:
    """Return the whole report as HTML, over everything or on one shard; equal results give equal text."""
    left_out = (OF_RECIPES if shard else frozenset[str]()) | {name for name in IF_ANY if not results[name].rows}
    shown = [section for section in SECTIONS if section.query not in left_out]
    shown += _sections_of_added_queries(results)
    plots = {section.query: _plot(section, results) for section in shown}
    drawn = {f"plot-{name}": plot.as_json() for name, plot in plots.items() if plot}
    body = [_section(section, results, plots.get(section.query)) for section in shown]
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    return Template((FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(script),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        title=escaped(f"Quality report: {shard}" if shard else "Quality report"),
        contents=_contents((*shown, EXAMPLES)),
        headline=render_headline(results),
        sections=joined([*body, _examples(results["examples"])]),
        figures=script_json(drawn),
        plotly=_packed_plotly() if drawn else "",
        script=script,
    )


def _plot(section: Section, results: Mapping[str, QueryResult]) -> Figure | None:
    return section.plot(results[section.query].rows) if section.plot else None


def _sections_of_added_queries(results: Mapping[str, QueryResult]) -> tuple[Section, ...]:
    known = {name for section in (*SECTIONS, EXAMPLES) for name in (section.query, *section.more)}
    added = sorted(name for name in results if name not in known)
    return tuple(Section(name, name.replace("_", " ").capitalize(), "No rows.") for name in added)


def _contents(sections: tuple[Section, ...]) -> Markup:
    links = (element("li", element("a", section.title, href=f"#{section.query}")) for section in sections)
    return element("ul", *links)


def _section(section: Section, results: Mapping[str, QueryResult], plot: Figure | None) -> Markup:
    result = results[section.query]
    further = [_details(results[name]) for name in section.more if results[name].rows]
    is_empty = not result.rows or (section.plot is not None and plot is None)
    if is_empty:
        content = [element("p", section.nothing, class_="empty")]
    elif plot is None:
        content = [_caption("p", result), data_table(result.columns, result.rows, section.title), *further]
    else:
        content = [_figure(section, result, plot), _details(result, "The numbers behind the plot"), *further]
    return _titled(section, *content)


def _titled(section: Section, *content: Markup) -> Markup:
    heading = element("h2", section.title, id=f"{section.query}-title")
    return element("section", heading, *content, id=section.query, aria_labelledby=f"{section.query}-title")


def _figure(section: Section, result: QueryResult, plot: Figure) -> Markup:
    canvas = element(
        "div",
        id=f"plot-{section.query}",
        class_="plot",
        role="img",
        aria_label=plot.alt,
        style=f"height:{plot.height}px",
    )
    return element("figure", _caption("figcaption", result), canvas)


def _caption(name: str, result: QueryResult) -> Markup:
    parts = result.caption.split("`")
    return element(name, *(element("code", part) if i % 2 else part for i, part in enumerate(parts)), class_="caption")


def _details(result: QueryResult, title: str | None = None) -> Markup:
    """Return a table that opens; without a title it is named and explained by its query."""
    name = title or result.name.replace("_", " ").capitalize()
    source = element("p", "Query: ", element("code", f"sql/reports/{result.name}.sql"), class_="note")
    about = None if title else _caption("p", result)
    return element(
        "details",
        element("summary", f"{name} ({len(result.rows):,} row{'' if len(result.rows) == 1 else 's'})"),
        about,
        data_table(result.columns, result.rows, name),
        source,
        class_="numbers",
    )


def _examples(result: QueryResult) -> Markup:
    if not result.rows:
        return _titled(EXAMPLES, element("p", EXAMPLES.nothing, class_="empty"))
    return _titled(EXAMPLES, _caption("p", result), render_examples(result.rows))


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _packed_plotly() -> str:
    return base64.b64encode(zlib.compress(str(get_plotlyjs()).encode(), 9)).decode()
