"""Predictions to read: the prompt beside each turn's response, verdict, and what execution gave.

What does not live here: which tasks are chosen (`sql/reports/examples.sql`).
"""

from collections.abc import Mapping

from codeio_assets.core.tables.data import Row
from codeio_assets.project import browser_url
from codeio_assets.reports.markup import Markup, element, escaped, joined

MAX_TEXT_CHARS = 6_000
MAX_VALUE_CHARS = 1_000


def render_examples(rows: list[Row]) -> Markup:
    """Return one article per task."""
    return joined(_example(row) for row in rows)


def _example(row: Row) -> Markup:
    title = f"{row['kind'].capitalize()}: predict the {row['direction']}"
    origin = element("p", f"{row['source']}, {row['path']}, task ", _link(row["task_id"]), class_="note")
    prompt = element(
        "div", element("h4", "Prompt"), _text(row["prompt"], "Prompt"), _facts(_pair_facts(row)), class_="prompt"
    )
    turns = element("div", *(_turn(row["direction"], turn) for turn in row["turns"]), class_="turns")
    return element("article", element("h3", title), origin, element("div", prompt, turns, class_="side-by-side"))


def _link(task_id: str) -> Markup:
    return element("a", element("code", task_id), href=f"{browser_url()}/tasks/{task_id}")


def _pair_facts(row: Row) -> dict[str, str | None]:
    if row["direction"] == "output":
        return {"Expected output": row["output_json"]}
    return {
        "Output to reach": row["output_json"],
        "Input of the pair (any input that reaches it is right)": row["input_json"],
    }


def _turn(direction: str, turn: Row) -> Markup:
    verdict = turn["verdict"]
    badge = element("span", verdict.replace("_", " "), class_=f"verdict {verdict}")
    facts: dict[str, str | None] = {f"Predicted {direction}": turn["predicted_json"]}
    if direction == "input":
        facts["What it gives when executed"] = turn["executed_output_json"] or turn["error_type"]
    if verdict != "correct":
        facts["Feedback to the model"] = turn["feedback"]
    heading = element("h4", f"Turn {turn['turn']} ", badge)
    status = turn["response_status"]
    note = element("p", f"The response was {status}.", class_="note") if status != "answered" else None
    flaws = ", ".join(name.replace("_", " ") for name in turn["flaws"])
    flawed = element("p", f"Flaws found: {flaws}.", class_="note") if flaws else None
    reasoning = None
    if turn["reasoning"]:
        reasoning = element(
            "details", element("summary", "Reasoning, kept apart"), _text(turn["reasoning"], "Reasoning")
        )
    response = _text(turn["response"], f"Response of turn {turn['turn']}")
    return element("section", heading, note, flawed, reasoning, response, _facts(facts))


def _facts(facts: Mapping[str, str | None]) -> Markup:
    pairs = (
        joined([element("dt", name), element("dd", element("code", shortened(value, MAX_VALUE_CHARS)))])
        for name, value in facts.items()
    )
    return element("dl", *pairs, class_="facts")


def _text(text: str, name: str) -> Markup:
    return element("pre", shortened(text, MAX_TEXT_CHARS), tabindex=0, role="group", aria_label=name)


def shortened(text: str | None, limit: int) -> Markup:
    """Return a text as HTML, cut at a length, with a note of how much was cut; nothing becomes a dash."""
    if text is None:
        return escaped("–")
    if len(text) <= limit:
        return escaped(text)
    return joined([text[:limit], element("em", f" … {len(text) - limit:,} characters more")])
