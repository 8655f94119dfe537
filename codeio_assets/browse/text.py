"""An item as lines for a terminal: the same parts as its page, in the same order, in full.

What does not live here: reading it (`items`), pages (`templates`).
"""

import json
from collections.abc import Iterator

from codeio_assets.browse.differences import pretty
from codeio_assets.browse.items import Found, Item, Items
from codeio_assets.browse.rendering import visible
from codeio_assets.core.tables.data import Row
from codeio_assets.core.tables.remedies import meaning, remedy


def lines_of(items: Items, found: Found) -> Iterator[str]:
    """Yield the lines of an item.

    Raises:
        KeyError: it is no longer there.
    """
    if found.kind == "sample":
        yield from _sample(items.sample(found.id))
        return
    item: Item = getattr(items, found.kind)(found.id)
    for line in _parts(item):
        yield visible_lines(line)


def visible_lines(text: str) -> str:
    """Return a text without characters that a terminal would obey."""
    return "\n".join(visible(line).replace("\t", "    ") for line in text.split("\n"))


def _parts(item: Item) -> Iterator[str]:
    origin = item.file or item.function
    yield f"{item.kind} {item.id}"
    if origin:
        yield f"{origin['path']}  {origin['source']}, shard {item.part}, licence {origin['license'] or 'not stated'}"
    for row in item.rejections:
        yield _heading(f"dropped by {row['step']}: {row['reason']}")
        yield f"{meaning(row['step'] + '_rejections', row['reason'])}\n{row['detail']}\n{remedy(row['reason'])}"
    yield from _source(item)
    yield from _pairs(item)
    if item.task:
        yield from _block(f"prompt: predict the {item.task['direction']}", item.task["prompt"])
    yield from _turns(item)
    for one in item.marks:
        said = f": {one['note']}" if one["note"] else ""
        yield f"marked {one['mark']} by {one['person']} at {one['marked_at'][:16]}{said}"


def _source(item: Item) -> Iterator[str]:
    if item.file and item.kind != "task":
        yield from _block("raw file", item.file["content"])
    if item.function:
        yield from _block("question", item.function["query"])
        yield from _block("function", item.function["reference_code"])
        if item.kind != "task":
            yield from _block("input generator", item.function["input_generator"])


def _pairs(item: Item) -> Iterator[str]:
    if item.pair:
        yield from _block("input", pretty(item.pair["input_json"]))
        yield from _block("output", pretty(item.pair["output_json"]))
    for pair in item.pairs:
        yield f"pair {pair['pair_index'] + 1}: {pair['input_json']} -> {pair['output_json']}"
    for row in item.tasks if item.kind != "task" else ():
        yield f"task {row['task_id'][:16]}  {row['direction']:<7}{row['status'] or 'not asked'}"


def _turns(item: Item) -> Iterator[str]:
    for turn in item.turns:
        status = turn.verdict.get("status", turn.answer["status"])
        yield from _block(f"turn {turn.answer['turn']} ({turn.answer['model_id']}): {status}", turn.answer["response"])
        for name, label in (("predicted_json", "predicted"), ("executed_output_json", "executed")):
            if turn.verdict.get(name) is not None:
                yield f"{label}: {turn.verdict[name]}"
        if turn.verdict and status != "correct":
            yield f"feedback: {turn.verdict['feedback']}"


def _sample(sample: Row) -> Iterator[str]:
    yield f"conversation {sample['sample_id']}  {sample['source']}"
    for message in json.loads(sample["messages_json"]):
        yield from (visible_lines(line) for line in _block(message["role"], message["content"]))


def _block(title: str, text: str) -> Iterator[str]:
    yield _heading(title)
    yield text.rstrip("\n")


def _heading(title: str) -> str:
    return f"\n--- {title} {'-' * max(0, 90 - len(title))}"
