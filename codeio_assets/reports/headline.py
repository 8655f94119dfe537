"""The headline: what the reader wants to know first, in one sentence and a row of numbers.

What does not live here: the numbers' definitions (`sql/reports/funnel.sql`, `sql/reports/checkpoints.sql`).
"""

from collections.abc import Mapping

from codeio_assets.core.tables.data import Row
from codeio_assets.reports.markup import Markup, element, joined, percent
from codeio_assets.reports.queries import QueryResult


def render_headline(results: Mapping[str, QueryResult]) -> Markup:
    """Return the sentence and the numbers."""
    rows = results["funnel"].rows
    counts = {row["step"]: int(row["rows"]) for row in rows}
    if not counts["raw files"] and not counts["prediction tasks"]:
        return element("p", "The warehouse is empty: no shard was read yet.", class_="lead")
    numbers = _data_numbers(counts) + _training_numbers(rows, results["checkpoints"].rows)
    items = (
        element("div", element("dt", name), element("dd", value, element("small", note)))
        for name, value, note in numbers
    )
    return joined([element("p", _sentence(counts), class_="lead"), element("dl", *items, class_="headline")])


def summary(results: Mapping[str, QueryResult]) -> str:
    """Return the sentence and the funnel as Markdown, for places that show no HTML."""
    rows = results["funnel"].rows
    counts = {row["step"]: int(row["rows"]) for row in rows}
    lines = [f"| {row['step']} | {row['rows']:,} | {_share(row)} |" for row in rows]
    return "\n".join([_sentence(counts), "", "| step | rows | of the step before |", "|---|---:|---:|", *lines])


def _share(row: Row) -> str:
    return "" if row["share_of_previous"] is None else percent(row["share_of_previous"])


def _sentence(counts: Mapping[str, int]) -> str:
    made = (
        f"{_counted(counts['raw files'], 'raw file')} became {_counted(counts['unified functions'], 'function')}, "
        f"{_counted(counts['input/output pairs'], 'input/output pair')} and "
        f"{_counted(counts['prediction tasks'], 'prediction task')}."
    )
    tasks, first, last = (counts[name] for name in ("prediction tasks", "correct at turn 1", "correct after revision"))
    if not tasks or not counts["answered at turn 1"]:
        return f"{made} No answer was judged yet."
    return (
        f"{made} Execution confirmed the answers of {_counted(first, 'task')} ({percent(first / tasks)}) at turn 1 "
        f"and of {last:,} ({percent(last / tasks)}) after revision."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _data_numbers(counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    tasks = counts["prediction tasks"]
    return [
        ("Functions", f"{counts['unified functions']:,}", f"from {_counted(counts['raw files'], 'raw file')}"),
        ("Input/output pairs", f"{counts['input/output pairs']:,}", f"{tasks:,} prediction tasks"),
        ("Right at turn 1", *_ratio(counts["correct at turn 1"], tasks)),
        ("Right after revision", *_ratio(counts["correct after revision"], tasks)),
    ]


def _ratio(count: int, total: int) -> tuple[str, str]:
    return (percent(count / total), f"{count:,} of {total:,} tasks") if total else ("–", "no tasks")


def _training_numbers(funnel: list[Row], checkpoints: list[Row]) -> list[tuple[str, str, str]]:
    samples = [row["rows"] for row in funnel if row["unit"] == "samples"]
    tokens = [row["rows"] for row in funnel if row["unit"] == "tokens"]
    numbers: list[tuple[str, str, str]] = []
    if samples:
        numbers.append(("Training samples", f"{sum(samples):,}", "over all recipes and stages"))
    if tokens:
        numbers.append(("Tokens trained on", f"{sum(tokens):,}", "over all recipes and stages"))
    for row in checkpoints[:4]:
        if row["loss_before"] is not None and row["loss_after"] is not None:
            value = f"{row['loss_before']:.3f} → {row['loss_after']:.3f}"
            numbers.append((f"Held-out loss, stage {row['stage']}", value, row["recipe"]))
    return numbers
