from pathlib import Path
from string import Template

import pytest

from codeio_assets.core.prompts import HERE, Prompt, PromptError, load_prompt
from codeio_assets.core.values.canonical import sha256_hex

PLACEHOLDERS = {
    "transform": {"content"},
    "transform_repair": {"error"},
    "predict_output": {"query", "io_description", "given", "reference_code"},
    "predict_input": {"query", "io_description", "given", "reference_code"},
    "predict_output_without_code": {"query", "io_description", "given"},
    "predict_input_without_code": {"query", "io_description", "given"},
    "predict_output_without_query": {"given", "reference_code"},
    "predict_input_without_query": {"given", "reference_code"},
    "revise": {"feedback", "answer_form"},
    "label_category": {"content"},
    "complete_function": {"name", "content"},
    "draw_inputs": {"name", "keys", "content"},
}


def test_every_template_is_listed_here() -> None:
    assert {path.stem for path in HERE.glob("*.md")} == set(PLACEHOLDERS)


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_template_uses_its_placeholders_and_no_other(name: str) -> None:
    prompt = load_prompt(name)
    used = {each for _, text in prompt.messages for each in Template(text).get_identifiers()}
    assert used == PLACEHOLDERS[name]
    assert all(Template(text).is_valid() for _, text in prompt.messages)
    assert prompt.messages[-1][0] == "user"
    assert prompt.sha256 == sha256_hex((HERE / f"{name}.md").read_bytes())


@pytest.mark.parametrize("name", [name for name in PLACEHOLDERS if name.startswith("predict_")])
def test_a_prediction_asks_for_the_answer_object_in_one_user_message(name: str) -> None:
    ((role, text),) = load_prompt(name).messages
    assert role == "user"
    assert ('{"output":' if "output" in name else '{"input":') in text


def test_values_go_in_as_they_are() -> None:
    prompt = Prompt("p", "0" * 64, (("system", "costs 5 $$"), ("user", "$given and ${given}s")))
    value = "$given ${x} $$ {braces} \\1 %s"
    assert prompt.fill(given=value, unused="u") == [("system", "costs 5 $"), ("user", f"{value} and {value}s")]


@pytest.mark.parametrize("text", ["$missing", "costs $5", "ends in $"])
def test_a_bad_placeholder_names_the_prompt_and_what_is_known(text: str) -> None:
    with pytest.raises(PromptError, match=r"prompt mine: .*known: \$given, \$query; write \$\$") as error:
        Prompt("mine", "0" * 64, (("user", text),)).fill(given="1", query="2")
    assert error.value.__cause__ is None


class TestOwnTemplates:
    def test_they_replace_ours_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "revise.md").write_text("=== system\n\nBe brief.\n\n=== user\n$feedback\n=== assistant\nok\n")
        own = load_prompt("revise", tmp_path)
        assert own.messages == (("system", "Be brief."), ("user", "$feedback"), ("assistant", "ok"))
        assert own.sha256 != load_prompt("revise").sha256
        assert load_prompt("transform", tmp_path) == load_prompt("transform")

    @pytest.mark.parametrize("text", ["", "Hello\n", "Hello\n=== user\nx\n", "===user\nx\n", "=== robot\nx\n"])
    def test_without_a_role_line_at_the_start_they_are_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "revise.md").write_text(text)
        with pytest.raises(PromptError, match=r"revise\.md: must start with a line `=== system`"):
            load_prompt("revise", tmp_path)

    def test_a_name_that_nobody_has_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PromptError, match=r"prompt nothing: .*nothing\.md does not exist"):
            load_prompt("nothing", tmp_path)

    def test_one_changed_byte_changes_the_hash(self, tmp_path: Path) -> None:
        text = (HERE / "revise.md").read_text()
        (tmp_path / "revise.md").write_text(text + "\n")
        assert load_prompt("revise", tmp_path).sha256 != load_prompt("revise").sha256
        assert load_prompt("revise", tmp_path).messages == load_prompt("revise").messages
