import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.settings.recipes import Recipe, RecipeError, load_recipe, load_recipes

SHIPPED = Path(__file__).parents[3] / "recipes"
VALID = """\
base_model: owner/model
stages:
  1:
    mix: {codeio: 1.0}
    learning_rate: 1e-5
    epochs: 1
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_recipe_is_named_after_its_file_and_has_the_papers_defaults(tmp_path: Path) -> None:
    write(tmp_path, VALID)
    (recipe,) = load_recipes(tmp_path).values()
    assert (recipe.name, recipe.format, recipe.data.variant, recipe.data.revision_turns) == (
        "mine", "query_code_to_cot", "full", 1,
    )  # fmt: skip
    stage = recipe.stage(1)
    assert (stage.learning_rate, stage.lr_schedule, stage.warmup_steps) == (1e-5, "constant", 0)
    assert (stage.global_batch_size, stage.max_length) == (1024, 4096)


def test_recipes_survive_json(tmp_path: Path) -> None:
    for recipe in load_recipes(SHIPPED).values():
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("name", "base", "rates"),
    [
        ("codeio_pp_qwen2.5-coder-7b", "Qwen/Qwen2.5-Coder-7B", (1e-5, 3e-5, 1e-6)),
        ("codeio_pp_llama-3.1-8b", "meta-llama/Llama-3.1-8B", (1e-5, 3e-5, 1e-6)),
        ("codeio_pp_deepseek-coder-v2-lite", "deepseek-ai/DeepSeek-Coder-V2-Lite-Base", (1e-5, 3e-5, 1e-6)),
        ("codeio_pp_gemma-2-27b", "google/gemma-2-27b", (4e-6, 1e-5, 3e-7)),
    ],
)
def test_the_papers_schedules(name: str, base: str, rates: tuple[float, float, float]) -> None:
    recipe = load_recipe(SHIPPED / f"{name}.yaml")
    first, second = recipe.stage(1), recipe.stage(2)
    assert recipe.base_model == base
    assert (first.learning_rate, second.learning_rate, second.min_learning_rate) == rates
    assert (first.lr_schedule, second.lr_schedule) == ("constant", "cosine_with_min_lr")
    assert (first.epochs, first.max_steps, second.epochs, second.max_steps) == (1, None, None, 700)
    for stage in (first, second):
        assert (stage.global_batch_size, stage.max_length, stage.warmup_steps) == (1024, 4096, 0)
    assert (first.mix, second.mix) == ({"codeio": 1.0}, {"instruction": 1.0})
    assert recipe.data.revision_turns == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs: 1", "epochs: one"), r"mine\.yaml:6: `stages\.1\.epochs` is 'one': .*number"),
        (("epochs: 1", "epoch: 1"), r"mine\.yaml:6: `stages\.1\.epoch` is 1: no such field"),
        (("epochs: 1", "epochs: 1\n    max_steps: 5"), r"mine\.yaml:3: `stages\.1`: give exactly one of"),
        (("learning_rate: 1e-5\n", "\n"), r"mine\.yaml:3: `stages\.1\.learning_rate`: is missing"),
        (("1e-5", "0"), r"mine\.yaml:5: `stages\.1\.learning_rate` is 0: .*greater than 0"),
        (("1e-5", ".nan"), r"mine\.yaml:5: `stages\.1\.learning_rate`"),
        (("  1:", "  3:"), r"mine\.yaml:3: `stages\.3` is 3: .*1 or 2"),
        (("codeio: 1.0", "codeio: 2"), r"mine\.yaml:3: `stages\.1`: give `mix`"),
        (("codeio: 1.0", "code: 1"), r"mine\.yaml:4: `stages\.1\.mix\.code`"),
        (("epochs: 1", "epochs: 1\n    min_learning_rate: 1e-6"), r"remove `min_learning_rate`, or set"),
        (("epochs: 1", "epochs: 1\n    lr_schedule: cosine_with_min_lr"), r"add `min_learning_rate`"),
        (("epochs: 1", "epochs: 1\n    per_device_batch_size: 3"), r"`global_batch_size` a multiple of"),
        (("epochs: 1", "epochs: 1\n    epochs: 2"), r"mine\.yaml:7: `stages\.1\.epochs` stands twice .*line 6"),
        (("stages:", "data: {variant: half}\nstages:"), r"mine\.yaml:2: `data\.variant` is 'half': .*'full'"),
        (("base_model:", "name: other\nbase_model:"), r"mine\.yaml:1: `name` is 'other'.*named after its file"),
        (("base_model: owner/model", "base_model: ''"), r"mine\.yaml:1: `base_model` is ''"),
        (("mix: {", "mix: {{"), r"mine\.yaml:\d+: is not YAML"),
        ((VALID, ""), r"mine\.yaml: is not a mapping"),
    ],
)
def test_mistakes_name_file_line_field_value_and_fix(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    old, new = change
    assert old in VALID
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, VALID.replace(old, new)))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = VALID.replace("epochs: 1", "epochs: one").replace("base_model:", "base_modle:")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert all(part in str(caught.value) for part in ("base_modle", "stages.1.epochs", "3 mistake"))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no"):
        load_recipes(tmp_path)
    with pytest.raises(RecipeError, match=r"gone\.yaml: cannot be read"):
        load_recipe(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"a: \xff")
    with pytest.raises(RecipeError, match=r"bad\.yaml: is not UTF-8 \(byte 3\)"):
        load_recipes(tmp_path)


def test_a_stage_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'mine' has no stage 2: it has \[1\]"):
        load_recipe(write(tmp_path, VALID)).stage(2)


def test_sources_can_be_chosen() -> None:
    only = {"sources": {"include": ["a", "b"], "exclude": ["b"]}}
    stages = {1: {"mix": {"codeio": 0.1}, "learning_rate": 1e-5, "epochs": 1}}
    recipe = Recipe.model_validate({"name": "r", "base_model": "o/m", "data": only, "stages": stages})
    assert [recipe.data.sources.allows(name) for name in "abc"] == [True, False, False]


class TestExtending:
    """A recipe that extends another says only what differs (RFC 7396)."""

    def load(self, folder: Path, patch: str) -> Recipe:
        write(folder, f"description: the base\nreported: {{Table 1: 5.5}}\n{VALID}", "base")
        return load_recipe(write(folder, f"extends: base\n{patch}"))

    def test_what_is_not_said_is_as_in_the_base(self, tmp_path: Path) -> None:
        recipe = self.load(tmp_path, "stages: {1: {learning_rate: 2e-5}}\ndata: {fraction: 0.5}\n")
        assert (recipe.name, recipe.base_model, recipe.data.fraction) == ("mine", "owner/model", 0.5)
        assert (recipe.stage(1).learning_rate, recipe.stage(1).epochs) == (2e-5, 1)

    def test_description_and_numbers_are_its_own(self, tmp_path: Path) -> None:
        recipe = self.load(tmp_path, "")
        assert (recipe.description, recipe.reported) == ("", {})

    def test_null_takes_away_and_mappings_are_merged(self, tmp_path: Path) -> None:
        recipe = self.load(
            tmp_path, "stages: {1: null, 2: {mix: {instruction: 1}, learning_rate: 1e-6, max_steps: 3}}\n"
        )
        assert sorted(recipe.stages) == [2]
        recipe = self.load(tmp_path, "stages: {1: {mix: {instruction: 0.5}, epochs: null, max_steps: 3}}\n")
        assert recipe.stage(1).mix == {"codeio": 1.0, "instruction": 0.5}
        assert (recipe.stage(1).epochs, recipe.stage(1).max_steps) == (None, 3)

    def test_extending_goes_on(self, tmp_path: Path) -> None:
        write(tmp_path, VALID, "a")
        write(tmp_path, "extends: a\nformat: query_to_cot\n", "b")
        recipe = load_recipe(write(tmp_path, "extends: b\nrevision: main\n", "c"))
        assert (recipe.base_model, recipe.format, recipe.revision) == ("owner/model", "query_to_cot", "main")

    @pytest.mark.parametrize(
        ("patch", "message"),
        [
            ("", r"mine\.yaml:1: `extends` is 'gone', but .*gone\.yaml does not exist\. Name a recipe"),
            ("data: {fraction: 2}", r"mine\.yaml:2: `data\.fraction` is 2"),
            ("data: {revision_turns: 0, revision_text: unrelated}", r"remove `revision_text`, or set"),
            ("data: {licenses: {allow: []}}", r"mine\.yaml:2: `data\.licenses\.allow`"),
        ],
    )
    def test_mistakes_are_told(self, tmp_path: Path, patch: str, message: str) -> None:
        write(tmp_path, VALID, "base")
        parent = "base" if patch else "gone"
        with pytest.raises(RecipeError, match=message):
            load_recipe(write(tmp_path, f"extends: {parent}\n{patch}\n"))

    def test_a_circle_is_told(self, tmp_path: Path) -> None:
        write(tmp_path, "extends: mine\n", "other")
        with pytest.raises(RecipeError, match=r"`extends` is 'mine', which leads back to itself"):
            load_recipe(write(tmp_path, "extends: other\n"))


@pytest.mark.parametrize(
    ("name", "different"),
    [
        ("codeio_qwen2.5-coder-7b", {"revision_turns": 0}),
        ("codeio_half_qwen2.5-coder-7b", {"revision_turns": 0, "fraction": 0.4517}),
        ("codeio_input_only_qwen2.5-coder-7b", {"revision_turns": 0, "variant": "input_only"}),
        ("codeio_output_only_qwen2.5-coder-7b", {"revision_turns": 0, "variant": "output_only"}),
        ("codeio_correct_only_qwen2.5-coder-7b", {"revision_turns": 0, "variant": "correct_only"}),
        ("codeio_ground_truth_qwen2.5-coder-7b", {"revision_turns": 0, "variant": "wrong_to_ground_truth"}),
        ("codeio_pairs_2_of_6_qwen2.5-coder-7b", {"revision_turns": 0, "pairs_fraction": 0.3333}),
        ("codeio_pp_2_turns_qwen2.5-coder-7b", {"revision_turns": 2}),
        ("codeio_pp_unrelated_qwen2.5-coder-7b", {"revision_text": "unrelated"}),
    ],
)
def test_an_ablation_differs_in_its_data_alone(name: str, different: dict[str, Any]) -> None:
    recipes = load_recipes(SHIPPED)
    base = recipes["codeio_pp_qwen2.5-coder-7b"]
    assert recipes[name].stages == base.stages
    data = base.data.model_dump() | different
    assert recipes[name].data.model_dump() == data


@pytest.mark.parametrize("base", ["qwen2.5-coder-7b", "llama-3.1-8b"])
@pytest.mark.parametrize(
    ("name", "mixes"),
    [
        ("it_only", {2: {"instruction": 1.0}}),
        ("mixed_it_only", {2: {"codeio": 0.1, "instruction": 1.0}}),
        ("one_stage", {1: {"codeio": 1.0, "instruction": 1.0}}),
        ("codeio", {1: {"codeio": 1.0}, 2: {"instruction": 1.0}}),
        ("mixed_then_it", {1: {"codeio": 1.0, "instruction": 1.0}, 2: {"instruction": 1.0}}),
        ("codeio_then_mixed_it", {1: {"codeio": 1.0}, 2: {"codeio": 0.1, "instruction": 1.0}}),
    ],
)
def test_the_mixes_of_table_4(base: str, name: str, mixes: dict[int, dict[str, float]]) -> None:
    recipe = load_recipe(SHIPPED / f"{name}_{base}.yaml")
    assert {number: dict(stage.mix) for number, stage in recipe.stages.items()} == mixes


def test_every_row_of_the_papers_experiments_has_its_recipe() -> None:
    reported = [(place, r.base_model) for r in load_recipes(SHIPPED).values() for place in r.reported]
    rows = {place: sum(place == each.split(",")[0] for each, _ in reported) for place in (
        "Table 1", "Table 2", "Table 3", "Table 4", "Table 8", "Figure 4", "Figure 5",
    )}  # fmt: skip
    # Table 4 has six rows for two base models; figure 4 has four sizes and four shares of the pairs.
    assert rows == {
        "Table 1": 12, "Table 2": 6, "Table 3": 5, "Table 4": 12, "Table 8": 2, "Figure 4": 8, "Figure 5": 3,
    }  # fmt: skip


def test_what_only_informs_makes_no_other_recipe() -> None:
    recipe = load_recipe(SHIPPED / "codeio_qwen2.5-coder-7b.yaml")
    other = recipe.model_copy(update={"description": "other words", "reported": {}})
    assert other.substance() == recipe.substance()
    assert recipe.substance()["data"]["revision_turns"] == 0


def test_the_table_in_the_docs_is_fresh() -> None:
    root = SHIPPED.parent
    done = subprocess.run(
        [sys.executable, root / "tools" / "recipe_table.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
