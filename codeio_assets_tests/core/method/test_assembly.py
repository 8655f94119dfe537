from typing import get_args

import pytest

from codeio_assets.core.method.assembly import PROMPT_OF_FORMAT, parameters_of, pieces_of, recipe_parameters
from codeio_assets.core.prompts import Prompt, load_prompt
from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import Recipe, SampleFormat

VALUES = {"query": "Q $given", "io_description": "D", "given": "${query}", "reference_code": "C"}


def joined(pieces: list[dict[str, str]]) -> str:
    return "".join(piece["text"] + VALUES.get(piece["field"], "") for piece in pieces)


def test_every_format_has_its_prompt() -> None:
    assert set(PROMPT_OF_FORMAT) == set(get_args(SampleFormat))


@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize("name", sorted({name for name in PROMPT_OF_FORMAT.values() if name}))
def test_pieces_give_the_filled_template(name: str, direction: str) -> None:
    prompt = load_prompt(name.format(direction=direction))
    ((_, filled),) = prompt.fill(**VALUES)
    assert joined(pieces_of(prompt)) == filled


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [("plain", "")]),
        ("$given", [("", "given"), ("", "")]),
        ("a ${query}b$given.", [("a ", "query"), ("b", "given"), (".", "")]),
        ("costs $$5 and $query", [("costs $5 and ", "query"), ("", "")]),
    ],
)
def test_pieces(text: str, pieces: list[tuple[str, str]]) -> None:
    found = pieces_of(Prompt("p", "0" * 64, (("user", text),)))
    assert [(piece["text"], piece["field"]) for piece in found] == pieces


def test_a_query_gets_the_parameters_that_it_names() -> None:
    query = "-- not $this\nselect $a, $b_c, '$.d' where $a"
    assert parameters_of(query, {"a": 1, "b_c": 2, "c": 3}) == {"a": 1, "b_c": 2}


def test_a_recipe_has_every_parameter() -> None:
    stage = {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0}
    recipe = Recipe.model_validate({"name": "r", "base_model": "m", "stages": {1: stage}})
    found = recipe_parameters(
        recipe, Phrases.model_validate({}), Split(validation_ratio=0.2, test_ratio=0.1), load_prompt
    )
    assert (found["turns"], found["with_checks"], found["any_license"], found["as_asked"]) == (2, True, True, True)
    assert (found["test_ratio"], found["held_out_ratio"]) == (0.1, pytest.approx(0.3))
