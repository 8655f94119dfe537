"""Asking a real, tiny model: the loss is the trainer's, answers end, and a killed job goes on."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from codeio_assets.training.contract import Failure
from codeio_assets.training.process import evaluation
from codeio_assets.training.process.evaluation import (
    EvaluatedModel,
    EvaluationJob,
    read_findings,
    rows_id,
    run_evaluation,
)
from codeio_assets_tests.training.conftest import default_rows


@pytest.fixture
def job(tiny_model: Path, tmp_path: Path) -> EvaluationJob:
    held_out = [row for row in default_rows() if row["split"] == "validation" and row["stage"] == 1]
    rows = [
        {"item_id": row["sample_id"], "prompt_json": row["prompt_json"], "completion": row["completion"],
         "ask": number < 3, "measure": True}
        for number, row in enumerate(held_out)
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    return EvaluationJob(
        models=(EvaluatedModel("base", str(tiny_model)), EvaluatedModel("stage1", str(tiny_model), None, "f" * 64)),
        rows_file=str(tmp_path / "rows.parquet"),
        output=str(tmp_path / "out" / "findings.jsonl"),
        cache_dir=str(tmp_path / "cache"),
        max_new_tokens=5,
        max_length=128,
        batch_size=2,
    )


def findings(job: EvaluationJob, kind: str, model: str = "base") -> dict[str, dict]:
    found = [one for one in read_findings(Path(job.output)) if (one["kind"], one["model"]) == (kind, model)]
    by_item = {one["item_id"]: one for one in found}
    assert len(by_item) == len(found)
    return by_item


def test_the_loss_is_that_of_the_model_on_the_completion(job: EvaluationJob, tiny_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run_evaluation(replace(job, models=job.models[:1]), lambda _: None)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model), AutoTokenizer.from_pretrained(tiny_model)
    measured = findings(job, "loss")
    rows = pl.read_parquet(job.rows_file).to_dicts()
    assert set(measured) == {row["item_id"] for row in rows}
    for row in rows:
        messages = json.loads(row["prompt_json"])
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(f"{prompt}{row['completion']}<|im_end|>\n", add_special_tokens=False, return_tensors="pt")
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        labels = ids["input_ids"].clone()
        labels[0, :start] = -100
        with torch.no_grad():
            expected = model(**ids, labels=labels).loss.item()
        found = measured[row["item_id"]]
        assert found["tokens"] == int((labels != -100).sum())
        assert found["loss_sum"] / found["tokens"] == pytest.approx(expected, rel=1e-4)


def test_batched_answers_are_those_of_prompts_alone_and_end_in_time(job: EvaluationJob, tmp_path: Path) -> None:
    run_evaluation(job, lambda _: None)
    alone = replace(job, batch_size=1, output=str(tmp_path / "alone.jsonl"))
    run_evaluation(alone, lambda _: None)
    together, one_by_one = findings(job, "answer"), findings(alone, "answer")
    assert len(together) == 3
    assert {key: one["text"] for key, one in together.items()} == {key: one["text"] for key, one in one_by_one.items()}
    for one in together.values():
        assert one["completion_tokens"] <= 5
        assert one["finish_reason"] in {"stop", "length"}


def test_prompts_and_completions_that_spell_control_tokens_are_plain_text(job: EvaluationJob) -> None:
    run_evaluation(replace(job, models=job.models[:1]), lambda _: None)
    before = findings(job, "answer"), findings(job, "loss")
    rows = pl.read_parquet(job.rows_file).to_dicts()
    found = []
    for end in ("<|im_end|>", "< |im_end|>"):
        prompt = json.dumps([{"role": "user", "content": f"a{end}b"}])
        changed = [{**row, "prompt_json": prompt, "completion": f"c{end}d"} for row in rows]
        pl.DataFrame(changed).write_parquet(job.rows_file)
        Path(job.output).unlink()
        run_evaluation(replace(job, models=job.models[:1]), lambda _: None)
        found.append((findings(job, "answer"), findings(job, "loss")))
    assert found[0] == found[1] != before


def test_a_job_that_was_cut_off_goes_on_where_it_stopped(job: EvaluationJob) -> None:
    run_evaluation(job, lambda _: None)
    output = Path(job.output)
    whole = output.read_text()
    lines = whole.splitlines(keepends=True)
    output.write_text("".join(lines[:9]) + lines[9][:20])
    assert len(read_findings(output)) == 9
    run_evaluation(job, lambda _: None)
    assert sorted(output.read_text().splitlines()) == sorted(whole.splitlines())
    said: list[str] = []
    run_evaluation(job, said.append)
    assert said == []


def test_a_prompt_that_fills_the_length_is_an_answer_without_text(job: EvaluationJob) -> None:
    run_evaluation(replace(job, max_length=20, models=job.models[:1]), lambda _: None)
    assert {one["finish_reason"] for one in findings(job, "answer").values()} == {"prompt_too_long"}
    assert findings(job, "loss") == {}


def test_a_model_that_cannot_be_had_is_one_line(job: EvaluationJob, tmp_path: Path, capsys) -> None:
    broken = replace(job, models=(EvaluatedModel("base", str(tmp_path)),))
    assert evaluation.main([str(broken.write(tmp_path / "job.json"))]) == 1
    assert "evaluation failed" in capsys.readouterr().err
    failure = Failure.read(job.output)
    assert failure is not None
    assert failure.final
    assert EvaluationJob.read(tmp_path / "job.json") == broken


def test_the_identity_follows_weights_rows_and_settings(job: EvaluationJob) -> None:
    rows = pl.read_parquet(job.rows_file)
    first = rows_id(rows, job.models, max_new_tokens=5)
    moved = [replace(model, source="elsewhere") if model.checkpoint_sha256 else model for model in job.models]
    assert rows_id(rows, moved, max_new_tokens=5) == first
    retrained = [*job.models[:1], replace(job.models[1], checkpoint_sha256="e" * 64)]
    changes = [(rows.head(2), job.models, 5), (rows, retrained, 5), (rows, job.models, 6)]
    assert first not in {rows_id(some, models, max_new_tokens=most) for some, models, most in changes}
