"""Prediction tasks: two prompts per pair, one per direction, without repeated prompts (CodeI/O, sec. 2.4).

What does not live here: asking a model (`steps.verdicts`), reading its answers (`core.method.answers`).
"""

from collections.abc import Mapping

from codeio_assets.core.prompts import Prompt, PromptError
from codeio_assets.core.tables.data import DIRECTIONS, Row
from codeio_assets.core.values.canonical import content_id


def build_tasks(function: Row, pairs: list[Row], prompts: Mapping[str, Prompt]) -> tuple[list[Row], list[Row]]:
    """Return (tasks, rejections) for the pairs of one function.

    `prompts` maps a direction to its template. Two pairs with the same output give the same input-prediction prompt;
    the later ones are rejected as `duplicate_prompt`, so that tasks + rejections = 2 x pairs.

    Raises:
        PromptError: a template is not a single message of the user, or has a bad placeholder.
    """
    tasks: list[Row] = []
    rejections: list[Row] = []
    seen: dict[str, str] = {}
    for pair in pairs:
        for direction in DIRECTIONS:
            task = _build_task(function, pair, direction, prompts[direction])
            twin = seen.setdefault(task["prompt"], pair["pair_id"])
            if twin == pair["pair_id"]:
                tasks.append(task)
            else:
                detail = f"{direction} prediction of pair {pair['pair_id']} asks the same as pair {twin}"
                rejections.append(
                    {
                        "id": task["task_id"],
                        "source": pair["source"],
                        "reason": "duplicate_prompt",
                        "detail": detail,
                    }
                )
    return tasks, rejections


def _build_task(function: Row, pair: Row, direction: str, prompt: Prompt) -> Row:
    given = pair["input_json"] if direction == "output" else pair["output_json"]
    messages = prompt.fill(
        query=function["query"],
        io_description=function["io_description"],
        given=given,
        reference_code=function["reference_code"].strip(),
    )
    if [role for role, _ in messages] != ["user"]:  # training samples hold this one text as their prompt
        raise PromptError(f"prompt {prompt.name}: must be one `=== user` message")
    text = messages[0][1]
    return {
        "task_id": content_id(direction=direction, pair_id=pair["pair_id"], prompt=text),
        "pair_id": pair["pair_id"],
        "function_id": pair["function_id"],
        "source": pair["source"],
        "direction": direction,
        "prompt": text,
        "prompt_sha256": prompt.sha256,
    }
