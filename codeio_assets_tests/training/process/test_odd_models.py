"""Damaged or odd base models and chat templates: one line that names what and which row, final."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.training.contract import Failure, TrainingJob
from codeio_assets_tests.training.conftest import CHAT_TEMPLATE, training_row, write_rows

REFUSES_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT_TEMPLATE
)
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% endfor %}" + CHAT_TEMPLATE
)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def drop_a_weight(model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def no_tokenizer(model: Path) -> None:
    for path in model.glob("*token*"):
        path.unlink()


def encoder_decoder(model: Path) -> None:
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}
    (model / "config.json").write_text(json.dumps(config))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "half the weights": (lambda model: halve(model / "model.safetensors"), "cannot load .*model: .*eader"),
    "no weights": (lambda model: (model / "model.safetensors").unlink(), "cannot load .*model: .*model.safetensors"),
    "a weight that is missing": (drop_a_weight, r"files lack 1 weights of the model, the first is .*up_proj"),
    "half a configuration": (lambda model: halve(model / "config.json"), "cannot load .*model"),
    "an unknown type": (lambda model: change_json(model / "config.json", model_type="fhqwhgads"), "type `fhqwhgads`"),
    "another shape": (lambda model: change_json(model / "config.json", hidden_size=64), "cannot load .*model"),
    "an encoder-decoder": (encoder_decoder, "t5 is an encoder-decoder, and training wants a decoder"),
    "no tokenizer": (no_tokenizer, "cannot load the tokenizer of .*model"),
    "half a tokenizer": (lambda model: halve(model / "tokenizer.json"), "cannot load the tokenizer of .*model"),
}


def failure_of(job: TrainingJob, tmp_path: Path) -> str:
    """Run a job as the host does; return its one line."""
    from codeio_assets.training.process.sft import main

    path = job.write(tmp_path / "job.json")
    assert main(["--job", str(path)]) == 1
    failure = Failure.read(job.output_dir)
    assert failure
    assert failure.final, "another try cannot help"
    assert "\n" not in failure.text
    return failure.text


def job_of(make_job, model: Path, data: Path | None = None, **recipe: object) -> TrainingJob:
    from dataclasses import replace

    job = make_job(data=data)
    return replace(job, recipe=job.recipe | {"base_model": str(model)} | recipe)


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_or_odd_model_is_one_line(
    damage: Callable[[Path], None], said: str, model: Path, make_job, tmp_path: Path
) -> None:
    import re

    damage(model)
    text = failure_of(job_of(make_job, model), tmp_path)
    assert re.search(said, text), text


def test_a_token_without_embedding_names_the_row(model: Path, make_job, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["<|new|>"])
    tokenizer.save_pretrained(model)
    rows = [training_row(1, "train", f"add {n}", "1") for n in range(8)]
    rows.append(training_row(1, "train", "a <|new|> token", "2"))
    text = failure_of(job_of(make_job, model, write_rows(tmp_path / "rows.parquet", rows)), tmp_path)
    assert "'<|new|>'" in text
    assert f"of row {rows[-1]['sample_id']} has none" in text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}{{ m.role }", "the chat template is broken: "),
        ("{{ nothing.there }}", "the chat template is broken: "),
    ],
)
def test_a_broken_template_is_one_line(template: str, said: str, model: Path, make_job, tmp_path: Path) -> None:
    set_template(model, template)
    assert failure_of(job_of(make_job, model), tmp_path).startswith(said)


def set_template(model: Path, template: str) -> None:
    (model / "chat_template.jinja").write_text(template)


def rows_with(tmp_path: Path, messages: list[dict[str, str]]) -> tuple[Path, str]:
    rows = [training_row(1, "train", f"add {n}", "1") for n in range(8)]
    odd = training_row(1, "train", "odd", "2") | {"prompt_json": json.dumps(messages)}
    return write_rows(tmp_path / "rows.parquet", [*rows, odd]), odd["sample_id"]


SYSTEM = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "odd"}]


def test_a_template_that_refuses_the_system_role_names_the_row_and_the_remedy(
    model: Path, make_job, tmp_path: Path
) -> None:
    set_template(model, REFUSES_SYSTEM)
    data, sample = rows_with(tmp_path, SYSTEM)
    text = failure_of(job_of(make_job, model, data), tmp_path)
    assert f"refuses row {sample} (roles: system, user, assistant): System role not supported" in text
    assert "system_messages: fold" in text


def test_folded_the_same_rows_are_trained_on(model: Path, make_job, tmp_path: Path) -> None:
    from codeio_assets.training.process.trainer import run_job

    set_template(model, REFUSES_SYSTEM)
    data, _ = rows_with(tmp_path, SYSTEM)
    result = run_job(job_of(make_job, model, data, system_messages="fold"), lambda _message: None)
    assert (result.status, result.train_rows) == ("trained", 9)


def test_a_template_that_wants_alternating_roles_names_the_row(model: Path, make_job, tmp_path: Path) -> None:
    set_template(model, ALTERNATES)
    data, sample = rows_with(tmp_path, [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    text = failure_of(job_of(make_job, model, data), tmp_path)
    assert f"refuses row {sample} (roles: user, user, assistant): Conversation roles must alternate" in text


def test_folding_changes_the_identity_of_a_job_and_keeping_does_not(make_job) -> None:
    from codeio_assets.core.settings.recipes import Recipe
    from codeio_assets.training.checkpoint import job_key

    job = make_job()
    plain = Recipe.model_validate(job.recipe)
    folded = Recipe.model_validate(job.recipe | {"system_messages": "fold"})
    assert job_key(job, plain, "d", None) != job_key(job, folded, "d", None)
    assert "system_messages" not in plain.substance()
