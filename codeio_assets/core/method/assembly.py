"""What a recipe asks of the assembling queries: their parameters, plain values (CodeI/O, sec. 2.5, tables 2-4).

What does not live here: the rules themselves (`sql/transforms`), running them (`steps.training_sets`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import Template

from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import Recipe, SampleFormat
from codeio_assets.core.values.canonical import JsonLike

PROMPT_OF_FORMAT: dict[SampleFormat, str | None] = {
    "query_code_to_cot": None,
    "query_to_cot": "predict_{direction}_without_code",
    "code_to_cot": "predict_{direction}_without_query",
    "query_to_code_cot": "predict_{direction}_without_code",
    "query_to_code": "predict_{direction}_without_code",
}
"""Format -> name of the prompt template; None trains on the very prompt that was asked (CodeI/O, table 3)."""

EVERYTHING = 1 << 62
"""Stands for "no limit" where SQL wants a number."""

EVERY_RATE = (0.0, 1.0)

Parameters = dict[str, JsonLike]
"""Values that a query names."""


@dataclass(frozen=True)
class Withheld:
    """Texts of which no n words in a row may stand in a function that is trained on (CodeI/O, sec. 4.7)."""

    texts: tuple[str, ...]
    rule: Leakage


_NAMES = re.compile(r"\$([a-z_]+)")


def recipe_parameters(
    recipe: Recipe,
    phrases: Phrases,
    split: Split,
    prompt: Callable[[str], Prompt],
    marked: Sequence[str] = (),
) -> Parameters:
    """Return what the queries need to know of a recipe, whatever the stage.

    `prompt` loads a template by name; `marked` are the ids of what people excluded.
    """
    data = recipe.data
    licenses = data.licenses
    return {
        "marked": list(marked),
        "leaked": [],
        "variant": data.variant,
        "fraction": data.fraction,
        "include": list(data.sources.include),
        "exclude": list(data.sources.exclude),
        "pairs_limit": data.pairs_per_function or EVERYTHING,
        "pairs_fraction": data.pairs_fraction,
        "any_license": licenses is None,
        "unknown_license": licenses is not None and licenses.allow_unknown,
        "licenses": [name.lower() for name in licenses.allow] if licenses else [],
        "by_pass_rate": data.pass_rate is not None,
        "pass_rate_low": (data.pass_rate or EVERY_RATE)[0],
        "pass_rate_high": (data.pass_rate or EVERY_RATE)[1],
        "by_state_lines": data.state_lines is not None,
        "turns": data.revision_turns + 1,
        "with_checks": data.revision_turns > 0,
        "to_truth": data.variant == "wrong_to_ground_truth",
        "is_control": data.revision_text == "unrelated",
        "format": recipe.format,
        "test_ratio": split.test_ratio,
        "held_out_ratio": split.test_ratio + split.validation_ratio,
        **phrases.model_dump(),
        **_prompt_parameters(recipe.format, prompt),
    }


def parameters_of(query: str, values: Parameters) -> Parameters:
    """Return those of the values that a query names; DuckDB refuses any other."""
    text = "\n".join(line for line in query.splitlines() if not line.startswith("--"))
    return {name: values[name] for name in sorted(set(_NAMES.findall(text)))}


def _prompt_parameters(sample_format: SampleFormat, prompt: Callable[[str], Prompt]) -> Parameters:
    name = PROMPT_OF_FORMAT[sample_format]
    if name is None:
        nothing = [{"text": "", "field": ""}]
        return {"as_asked": True, "input_prompt": nothing, "output_prompt": nothing}
    pieces = {
        f"{direction}_prompt": pieces_of(prompt(name.format(direction=direction))) for direction in ("input", "output")
    }
    return {"as_asked": False, **pieces}


def pieces_of(prompt: Prompt) -> list[dict[str, str]]:
    """Return the template of a one-message prompt in pieces: a text, then the field whose value follows it.

    Values are put in side by side, so that a `$name` inside a value is never taken for a placeholder.
    """
    ((_, text),) = prompt.messages
    pieces: list[dict[str, str]] = []
    start, pending = 0, ""
    for match in Template.pattern.finditer(text):
        pending += text[start : match.start()]
        start = match.end()
        field = match["named"] or match["braced"]
        if field:
            pieces.append({"text": pending, "field": field})
            pending = ""
        else:
            pending += "$" if match["escaped"] else match.group()
    return [*pieces, {"text": pending + text[start:], "field": ""}]
