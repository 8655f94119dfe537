"""Assembling training samples: joining turns, choosing variants, filling formats (CodeI/O, sec. 2.5, tables 2-3).

What does not live here: reading tables (`stages.assembling`), training (`training`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codeio_assets.core.canonical import canonical_json, content_id
from codeio_assets.core.prompts import Prompt, load_prompt
from codeio_assets.core.recipes import Recipe, SampleFormat
from codeio_assets.core.settings import Phrases

Row = dict[str, Any]

PROMPT_OF_FORMAT: dict[SampleFormat, str] = {
    "query_code_to_cot": "predict_{direction}",
    "query_to_cot": "predict_{direction}_without_code",
    "code_to_cot": "predict_{direction}_without_query",
    "query_to_code_cot": "predict_{direction}_without_code",
    "query_to_code": "predict_{direction}_without_code",
}
"""Format -> name of the prompt template (CodeI/O, table 3)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation: what was answered, its verdict, and what the next turn was told."""

    response: str
    response_status: str
    verdict: str
    feedback: str


@dataclass(frozen=True, slots=True)
class NoSample:
    """Why a task gives no sample in a recipe."""

    reason: str
    detail: str


def usable_turns(turns: Sequence[Turn], revision_turns: int) -> list[Turn] | NoSample:
    """Return the turns that a sample is made of: complete answers with a verdict about the answer.

    Turn 1 must be usable; a later turn that is not ends the sample before it.
    """
    usable: list[Turn] = []
    for turn in turns[: revision_turns + 1]:
        if turn.response_status != "answered" or turn.verdict == "infrastructure":
            break
        usable.append(turn)
    if usable:
        return usable
    first = turns[0]
    status = "infrastructure" if first.verdict == "infrastructure" else first.response_status
    return NoSample(f"response_{status}", f"turn 1 ended as {first.response_status}, verdict {first.verdict}")


def join_turns(turns: Sequence[Turn], phrases: Phrases, with_checks: bool) -> str:
    """Return the assistant text of a sample: turn 1 alone (CodeI/O), or all turns with their checks (CodeI/O++)."""
    if not with_checks:
        return turns[0].response.strip()
    parts: list[str] = []
    for number, turn in enumerate(turns):
        if number:
            parts.append(phrases.retry)
        parts.append(turn.response.strip())
        passed = turn.verdict == "correct"
        parts.append(phrases.check_passed if passed else f"{phrases.check_failed} {turn.feedback}")
    return "\n\n".join(parts)


def ground_truth(pair: Mapping[str, Any], direction: str) -> str:
    """Return the bare right answer as a response (CodeI/O, table 2)."""
    value = json.loads(pair["output_json"] if direction == "output" else pair["input_json"])
    return canonical_json({direction: value})


def not_in_variant(recipe: Recipe, task: Mapping[str, Any], final_verdict: str) -> NoSample | None:
    """Tell why a task is outside the recipe's variant, or None."""
    variant, direction = recipe.data.variant, task["direction"]
    if variant in {"input_only", "output_only"} and variant != f"{direction}_only":
        return NoSample("direction_left_out", f"{direction} prediction in the variant {variant}")
    if variant == "correct_only" and final_verdict != "correct":
        return NoSample("not_correct", f"last verdict {final_verdict} in the variant correct_only")
    limit = recipe.data.pairs_per_function
    if limit is not None and task["pair_index"] >= limit:
        return NoSample("beyond_pairs_per_function", f"pair {task['pair_index'] + 1} of at most {limit}")
    return None


def build_sample(
    recipe: Recipe,
    task: Mapping[str, Any],
    turns: Sequence[Turn],
    phrases: Phrases,
    prompts: Mapping[str, Prompt],
) -> Row | NoSample:
    """Return the sample of one task, without `stage` and `split`, or why there is none.

    `task` has the columns of prediction_tasks joined with its pair and function.
    """
    usable = usable_turns(turns, recipe.data.revision_turns)
    if isinstance(usable, NoSample):
        return usable
    left_out = not_in_variant(recipe, task, usable[-1].verdict)
    if left_out:
        return left_out
    if recipe.data.variant == "wrong_to_ground_truth" and usable[-1].verdict != "correct":
        usable = [Turn(ground_truth(task, task["direction"]), "answered", "correct", "Success")]
    cot = join_turns(usable, phrases, with_checks=recipe.data.revision_turns > 0)
    prompt_json = canonical_json([{"role": "user", "content": _prompt_text(recipe.format, task, prompts)}])
    completion = _completion(recipe.format, task["reference_code"], cot)
    second = usable[1] if len(usable) > 1 else None
    return {
        "sample_id": content_id(task_id=task["task_id"], prompt=prompt_json, completion=completion),
        "kind": "codeio",
        **{
            name: task[name]
            for name in ("task_id", "function_id", "source", "direction", "repository", "path", "license")
        },
        "prompt_json": prompt_json,
        "completion": completion,
        "turn_1": usable[0].response,
        "feedback_1": usable[0].feedback,
        "turn_2": second.response if second else None,
        "feedback_2": second.feedback if second else None,
        "final_status": usable[-1].verdict,
    }


def prompts_of_format(sample_format: SampleFormat) -> dict[str, Prompt]:
    """Return direction -> template of a format."""
    name = PROMPT_OF_FORMAT[sample_format]
    return {direction: load_prompt(name.format(direction=direction)) for direction in ("input", "output")}


def _prompt_text(sample_format: SampleFormat, task: Mapping[str, Any], prompts: Mapping[str, Prompt]) -> str:
    if sample_format == "query_code_to_cot":  # the very prompt that was asked (CodeI/O, sec. 2.4)
        return task["prompt"]
    ((_, text),) = prompts[task["direction"]].fill(
        query=task["query"],
        io_description=task["io_description"],
        given=task["input_json"] if task["direction"] == "output" else task["output_json"],
        reference_code=task["reference_code"].strip(),
    )
    return text


def _completion(sample_format: SampleFormat, reference_code: str, cot: str) -> str:
    code = f"```python\n{reference_code.strip()}\n```"
    if sample_format == "query_to_code":
        return code
    return f"{code}\n\n{cot}" if sample_format == "query_to_code_cot" else cot
