"""What an evaluation reads from the warehouse, and which servers it would start."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.settings.models import Chat
from codeio_assets.core.settings.recipes import Evaluation, Recipe
from codeio_assets.core.values.canonical import content_id
from codeio_assets.llm.contract import ChatServerError
from codeio_assets.llm.session import ChatSession, open_session
from codeio_assets.operating.local import score_lines
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.running.evaluating import (
    answers_of_servers,
    control_tokens_of,
    evaluated_models,
    held_out_rows,
    held_out_tasks,
    score_plots,
    server_settings,
)
from codeio_assets.steps.held_out_scores import choose_held_out
from codeio_assets.store import Warehouse
from codeio_assets.training.plain_text import made_plain
from codeio_assets.training.process.evaluation import EvaluatedModel
from codeio_assets_tests.llm.vllm.fake import fake_vllm
from codeio_assets_tests.reports import tiny
from codeio_assets_tests.running.given import given
from codeio_assets_tests.training.conftest import tiny_model as tiny_model


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return tiny.write(Warehouse(tmp_path_factory.mktemp("warehouse")), tiny.tables())


def demo(**evaluation) -> Recipe:
    changed = Evaluation.model_validate(evaluation)
    return Project.find().recipe(tiny.RECIPE).model_copy(update={"evaluation": changed})


def asked_for(warehouse: Warehouse, recipe: Recipe) -> pl.DataFrame:
    query = Project.find().sql("evaluation/held_out_rows.sql")
    return held_out_rows(given(warehouse, "training_sets"), query, tiny.RECIPE, recipe.evaluation)


def test_only_rows_that_may_be_chosen_are_read(warehouse: Warehouse) -> None:
    recipe = demo(tasks_per_direction=1, loss_rows=1)
    rows = asked_for(warehouse, recipe)
    assert set(rows["split"]) == {"validation"}
    assert rows.group_by("direction").len()["len"].to_list() == [2, 2]
    chosen = choose_held_out(rows, recipe.evaluation)
    assert sorted(chosen["direction"].to_list()) == ["input", "output"]
    every = choose_held_out(warehouse.read("training_sets", tiny.RECIPE), recipe.evaluation)
    assert chosen["item_id"].to_list() == every["item_id"].to_list()


@pytest.mark.parametrize("tasks", [0, 2])
def test_the_tables_behind_the_prompts_are_read_by_id(warehouse: Warehouse, tasks: int) -> None:
    recipe = demo(tasks_per_direction=tasks, loss_rows=1)
    rows = choose_held_out(asked_for(warehouse, recipe), recipe.evaluation)
    found = held_out_tasks(given(warehouse, "prediction_tasks", "io_pairs", "unified_functions"), rows)
    assert len(found["prediction_tasks"]) == 2 * tasks
    assert set(found["prediction_tasks"]["pair_id"]) == set(found["io_pairs"]["pair_id"])
    assert set(found["prediction_tasks"]["function_id"]) == set(found["unified_functions"]["function_id"])


def test_base_and_all_stages_are_asked(warehouse: Warehouse) -> None:
    recipe = demo()
    stages = given(warehouse, "sft_stage1_checkpoint", "sft_stage2_checkpoint")
    models = evaluated_models(stages, recipe.base_model, recipe.revision, Path("/made"))
    assert [(one.name, one.checkpoint_sha256) for one in models] == [
        ("base", None), ("stage1", content_id(checkpoint=1)), ("stage2", content_id(checkpoint=2)),
    ]  # fmt: skip


def test_a_server_of_a_checkpoint_has_its_folder_and_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    chat = server_settings(Project.find(), EvaluatedModel("stage1", str(tmp_path), None, "a" * 64))
    assert (chat.base_url, chat.model, chat.vllm.model_path) == ("vllm", "stage1@aaaaaaaaaaaa", str(tmp_path))


def test_what_a_server_would_take_for_control_tokens_is_known(tiny_model: Path) -> None:
    model = EvaluatedModel("stage1", str(tiny_model), None, "a" * 64)
    control = control_tokens_of(server_settings(Project.find(), model), model)
    assert made_plain("a<|im_end|>b", control) == "a< |im_end|>b"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Ask models behind stand-ins of vLLM; every run has the same journal."""
    monkeypatch.setenv("CODEIO_VLLM_PYTHON", str(fake_vllm(tmp_path / "vllm")))
    project = Project(INSTALLED_ROOT, tmp_path / "var")

    def opened(chat: Chat) -> AbstractContextManager[ChatSession]:
        return open_session(chat, project.chat_folders)

    def ask(models: list[EvaluatedModel], **prompts: str) -> list[dict[str, Any]]:
        asked = [(item_id, [{"role": "user", "content": prompt}]) for item_id, prompt in prompts.items()]
        return list(answers_of_servers(project, models, asked, 24, opened))

    return ask


def test_each_model_is_asked_behind_a_server_of_its_own_weights(
    served: Callable[..., list[dict[str, Any]]], tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "stage1")
    models = [
        EvaluatedModel("base", str(tiny_model)),
        EvaluatedModel("stage1", str(tmp_path / "stage1"), None, "a" * 64),
    ]
    found = served(models, one="How many?", two="A TOO LONG question.")
    assert [(each["model"], each["item_id"], each["text"], each["finish_reason"]) for each in found] == [
        ("base", "one", f"{tiny_model} was asked: How many?", "stop"),
        ("base", "two", "", "prompt_too_long"),
        ("stage1", "one", f"{tmp_path / 'stage1'} was asked: How many?", "stop"),
        ("stage1", "two", "", "prompt_too_long"),
    ]


def test_a_request_that_failed_is_no_answer_and_what_came_is_kept(
    served: Callable[..., list[dict[str, Any]]], tiny_model: Path
) -> None:
    model = EvaluatedModel("base", str(tiny_model))
    with pytest.raises(ChatServerError, match=r"1 of 2 requests to the server of base failed, one with: http_500"):
        served([model], one="How many?", two="A BROKEN question.")
    [kept] = served([model], one="How many?")
    assert kept["text"] == f"{tiny_model} was asked: How many?"


def test_scores_are_told_and_plotted(warehouse: Warehouse) -> None:
    scores = warehouse.read("held_out_scores", tiny.RECIPE)
    base, stage1 = score_lines(scores.to_dicts())
    assert base.startswith("base    input 0 of 2 (0% to 100%) loss 1.5000; output 0 of 2")
    assert stage1.startswith("stage1  input 2 of 2")
    assert set(score_plots(scores)) == {"codeio/accuracy_plot", "codeio/loss_plot"}
