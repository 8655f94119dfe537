"""The real trainer on a tiny model: what it learns from, and what is left when it is done or killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from codeio_assets.training.checkpoint import COMPLETE_FILE
from codeio_assets.training.contract import Failure, TrainingError, TrainingResult, read_manifest
from codeio_assets.training.inspection import manifest_problems
from codeio_assets.training.launching import build_command
from codeio_assets.training.process import sft
from codeio_assets_tests.training.conftest import default_rows, training_row, write_rows

PEFT_NAMES = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
"""peft 0.21 asks transformers 5.24 by an older name."""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny tensors gain nothing from threads, and wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(job, messages: list | None = None) -> TrainingResult:
    from codeio_assets.training.process.trainer import run_job

    return run_job(job, (messages if messages is not None else []).append)


def built(job):
    """The trainer of a job, before its first step."""
    from codeio_assets.training.process import trainer
    from codeio_assets.training.process.progress import Progress

    plan = trainer.make_plan(job)
    plan.work.mkdir(parents=True)
    words = trainer.load_words(plan)
    data = trainer.prepare_data(plan, words, lambda _: None)
    loaded = trainer.load(plan, words, data, print)
    return trainer.build_trainer(plan, loaded, data, Progress(print)), data


def losses(result: TrainingResult) -> list[float]:
    return [loss for _, loss in result.train_losses]


@pytest.fixture(scope="module")
def stage1_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stage1_origin")


@pytest.fixture
def stage1(make_job, stage1_origin: Path):
    """Job, result and messages of stage 1, trained once per module and copied for each test."""
    job = make_job()
    kept = stage1_origin / "stage1"
    if not kept.exists():
        messages: list = []
        result = run(replace(job, output_dir=str(kept)), messages)
        (stage1_origin / "result.json").write_text(json.dumps([result.as_json(), messages]))
    result, messages = json.loads((stage1_origin / "result.json").read_text())
    shutil.copytree(kept, job.output_dir)
    return job, TrainingResult.from_json(result), messages


def test_the_loss_is_on_the_completion_and_its_end_only(make_job) -> None:
    trainer, _ = built(make_job(max_length=512))
    tokenizer = trainer.processing_class
    wanted = sorted(
        f"{row['completion']}<|im_end|>\n" for row in default_rows() if (row["stage"], row["split"]) == (1, "train")
    )
    trained = []
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row, trainer.train_dataset[0]])
        labels = batch["labels"][0]
        trained.append(tokenizer.decode(labels[labels != -100]))
        assert tokenizer.eos_token_id in labels
    assert sorted(trained) == wanted


def test_packed_samples_do_not_see_each_other(make_job) -> None:
    import torch

    packed, data = built(make_job(packing=True, out="packed"))
    plain, _ = built(make_job(out="plain"))
    assert len(packed.train_dataset) == data.audit.sequences < len(plain.train_dataset) == data.audit.rows

    def total(trainer) -> tuple[float, int]:
        loss, tokens = 0.0, 0
        for row in trainer.train_dataset:
            batch = trainer.data_collator([row])
            count = int((batch["labels"] != -100).sum())
            with torch.no_grad():
                loss += float(trainer.compute_loss(trainer.model, batch)) * count
            tokens += count
        return loss, tokens

    packed_loss, packed_tokens = total(packed)
    plain_loss, plain_tokens = total(plain)
    assert packed_tokens == plain_tokens
    assert packed_loss == pytest.approx(plain_loss, rel=1e-4)


def test_packing_is_refused_where_samples_would_see_each_other(make_job, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def without_positions(self, input_ids, position_ids=None, **options):
        return forward(self, input_ids, **options)

    monkeypatch.setattr(LlamaForCausalLM, "forward", without_positions)
    with pytest.raises(TrainingError, match="let samples see each other"):
        built(make_job(packing=True))


def test_a_finished_stage_is_a_whole_checkpoint(stage1) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job, result, messages = stage1
    folder = Path(job.output_dir)
    manifest = read_manifest(folder)
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert {"model.safetensors", "tokenizer.json", "generation_config.json", "README.md"} <= set(manifest["files"])
    assert manifest["data"]["versions"] == {"training_sets/tiny": "v1"}
    assert manifest["run"] == {"run_id": "r1"}
    assert manifest["versions"]["trl"] != "not installed"
    assert result.steps == 4
    assert result.loss_after < result.loss_before
    assert [step for step, _ in result.train_losses] == [1, 2, 3, 4]
    log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    assert [entry["learning_rate"] for entry in log if "loss" in entry] == [0.01] * 4
    assert [message["kind"] for message in messages] == ["memory", "audit", "evaluation", *["step"] * 4, "evaluation"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "add"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert model.generate(**prompt, max_new_tokens=2, do_sample=False).shape[1] > prompt["input_ids"].shape[1]
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert manifest_problems(folder, result.checkpoint_sha256) == []
    assert manifest["generated"]["tokens"] > 0
    assert manifest["memory_estimate"]["total_bytes"] > 0


def test_a_finished_job_is_not_trained_again_unless_it_is_damaged_or_changed(stage1, make_job) -> None:
    job, result, _ = stage1
    messages: list = []
    again = run(replace(job, run_info={"run_id": "r2"}), messages)
    assert replace(again, status="trained", output_dir=result.output_dir) == result
    assert (again.status, messages) == ("reused", [])
    changed = run(make_job(max_steps=1))
    assert (changed.status, changed.steps) == ("trained", 1)
    weights = Path(job.output_dir) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\0")
    assert run(make_job(max_steps=1)).status == "trained"


def test_seeds_reproduce_and_accumulation_equals_a_large_batch(stage1, make_job) -> None:
    _, result, _ = stage1
    again = run(make_job(out="again"))
    large = run(make_job(out="large", per_device_batch_size=4))
    other = run(make_job(out="other", seed=1))
    assert again.checkpoint_sha256 == result.checkpoint_sha256
    assert losses(again) == losses(result)
    assert losses(large) == pytest.approx(losses(result), rel=1e-4)
    assert losses(other) != pytest.approx(losses(result), rel=1e-4)


@PEFT_NAMES
def test_adapters_are_merged_into_a_whole_checkpoint_that_stage_2_starts_from(make_job, tiny_model: Path) -> None:
    from safetensors.torch import load_file

    lora = {"rank": 4, "alpha": 64.0}
    job = make_job(lora=lora, max_steps=4)
    result = run(job)
    folder = Path(job.output_dir)
    assert result.loss_after < result.loss_before
    before, after = load_file(tiny_model / "model.safetensors"), load_file(folder / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {name for name in before if "_proj" in name}
    assert not list(folder.glob("adapter*"))
    second = make_job(2, parent=job.output_dir, max_steps=1)
    second.recipe["stages"]["1"].update(job.recipe["stages"]["1"])
    assert run(second).steps == 1


@PEFT_NAMES
def test_adapters_reproduce_and_are_refused_where_they_cannot_be_merged(make_job, monkeypatch) -> None:
    whole = run(make_job(lora={}, out="whole"))
    again = run(make_job(lora={}, out="again"))
    assert losses(again) == losses(whole)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setattr("codeio_assets.training.process.preflight.shard_count", lambda _: 8)
    with pytest.raises(TrainingError, match="lora cannot be merged from a sharded model"):
        built(make_job(lora={}, out="sharded"))


def test_a_stage_that_needs_more_memory_than_is_free_is_refused_or_warned_of(make_job, monkeypatch) -> None:
    monkeypatch.setattr("codeio_assets.training.process.preflight.free_memory", lambda: (2**16, "this machine"))
    job = make_job(max_steps=1)
    with pytest.raises(TrainingError, match=r"needs about .* and this machine has 0\.0 GiB free.*refuse_too_large"):
        run(job)
    messages: list = []
    assert run(replace(job, refuse_too_large=False), messages).steps == 1
    assert messages[0]["text"].startswith("warning: the stage needs about")


def test_a_launch_for_gpus_is_refused_where_there_are_none(make_job, monkeypatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    job = make_job(max_steps=1)
    wanting = replace(job, recipe={**job.recipe, "launch": "gpu_8_fsdp2"})
    with pytest.raises(TrainingError, match=r"gpu_8_fsdp2 wants GPUs.*CUDA_VISIBLE_DEVICES is ''.*Set launch: cpu"):
        run(wanting)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert run(wanting).steps == 1


def test_an_audit_beyond_the_limits_stops_the_job_before_its_first_step(make_job) -> None:
    job = make_job(max_length=40, untrainable_rows="drop")
    with pytest.raises(TrainingError, match=r"beyond the recipe's limits: truncated_ratio is .*max_truncated_"):
        run(job)
    assert not Path(job.output_dir).exists()


def test_steps_are_in_tensorboard_and_in_the_log(stage1, make_job) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    job = make_job(max_steps=2, out="tracked")
    run(job)
    events = EventAccumulator(f"{job.output_dir}.tensorboard")
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]
    log = [json.loads(line) for line in (Path(job.output_dir) / "training_log.jsonl").read_text().splitlines()]
    steps = [entry for entry in log if "loss" in entry]
    assert all(entry["tokens_per_s"] > 0 and entry["memory_bytes"] > 0 and entry["grad_norm"] > 0 for entry in steps)


def test_no_more_than_the_last_k_checkpoints_are_kept(make_job, monkeypatch: pytest.MonkeyPatch) -> None:
    from codeio_assets.training.process import trainer

    kept: list[list[str]] = []

    def look(plan, *_) -> None:
        kept.append(sorted(path.name for path in plan.work.glob("checkpoint-*")))
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "finish", look)
    with pytest.raises(KeyboardInterrupt):
        run(make_job(max_steps=6, checkpoint_every_steps=1, keep_last_checkpoints=3))
    assert kept == [["checkpoint-4", "checkpoint-5", "checkpoint-6"]]


def test_a_recipe_file_can_be_trained_by_hand(make_job, rows_file: Path, tmp_path: Path, capsys) -> None:
    import yaml

    recipe = make_job(max_steps=1).recipe
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({**recipe, "stages": {1: recipe["stages"]["1"]}}))
    output = tmp_path / "by_hand"
    assert sft.main([str(file), "--data", str(rows_file), "--output", str(output)]) == 0
    assert TrainingResult.read(output).recipe == "tiny"
    assert sft.main([str(file)]) == 1
    assert "give --job, or a recipe file with --data and --output" in capsys.readouterr().err


def test_stage_2_starts_from_stage_1_and_cools_down(stage1, make_job) -> None:
    job, result, _ = stage1
    cooling = {"lr_schedule": "cosine_with_min_lr", "min_learning_rate": 0.001}
    second = make_job(2, parent=job.output_dir, **cooling)
    finished = run(second)
    folder = Path(second.output_dir)
    manifest = read_manifest(folder)
    assert manifest["parent"]["checkpoint_sha256"] == result.checkpoint_sha256
    assert result.loss_after - 0.5 < finished.loss_before < result.loss_before  # other rows, but a trained model
    log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    rates = [entry["learning_rate"] for entry in log if "loss" in entry]
    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0.001


def test_stage_2_refuses_a_parent_of_another_recipe_or_a_damaged_one(stage1, make_job) -> None:
    parent = Path(stage1[0].output_dir)
    second = make_job(2, parent=str(parent))
    other = json.loads(json.dumps(second.recipe))
    other["stages"]["1"]["learning_rate"] = 0.5
    with pytest.raises(TrainingError, match=r"differs in stages\.1\. Train stage 1"):
        run(replace(second, recipe=other))
    with pytest.raises(TrainingError, match="differs in base_model, data"):
        run(replace(second, recipe={**second.recipe, "base_model": "o/m", "data": {"variant": "input_only"}}))
    (parent / "tokenizer.json").unlink()
    with pytest.raises(TrainingError, match=r"damaged: tokenizer\.json"):
        run(second)


def test_rows_without_trainable_tokens_stop_the_job_or_are_left_out(make_job, tmp_path: Path) -> None:
    row = training_row(1, "train", "x" * 200, "never seen")
    rows = write_rows(tmp_path / "rows.parquet", [*default_rows(), row])
    with pytest.raises(TrainingError, match=rf"1 of 17 rows .*{row['sample_id']}"):
        run(make_job(data=rows))
    result = run(make_job(data=rows, untrainable_rows="drop", max_steps=1))
    assert result.train_rows == 16
    assert result.audit["untrainable_ids"] == [row["sample_id"]]


def test_no_rows_stop_the_job(make_job, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.parquet", [row for row in default_rows() if row["stage"] == 2])
    with pytest.raises(TrainingError, match="no training rows"):
        run(make_job(data=rows))


def test_without_held_out_rows_there_is_no_loss_before_and_after(make_job, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.parquet", [row for row in default_rows() if row["split"] == "train"])
    result = run(make_job(data=rows, max_steps=1))
    assert (result.validation_rows, result.loss_before, result.loss_after) == (0, None, None)


def test_a_loss_that_is_no_number_is_one_clear_line(make_job, tiny_model: Path, tmp_path: Path, capsys) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] *= float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    job = make_job()
    job = replace(job, recipe={**job.recipe, "base_model": str(broken)})
    assert sft.main(["--job", str(job.write(tmp_path / "job.json"))]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("training failed: loss is nan at step 1. Lower the learning rate")
    failure = Failure.read(job.output_dir)
    assert failure is not None
    assert (failure.final, failure.text[:18]) == (True, "loss is nan at ste")
    assert not Path(job.output_dir).exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("x: can't allocate memory: you tried 9 bytes")])
def test_running_out_of_memory_gives_advice(make_job, tmp_path: Path, capsys, monkeypatch, error) -> None:
    from codeio_assets.training.process import trainer

    def full(*_):
        raise error

    monkeypatch.setattr(trainer, "run_job", full)
    assert sft.main(["--job", str(make_job().write(tmp_path / "job.json"))]) == 1
    assert "out of memory" in capsys.readouterr().err
    assert sft.main(["--job", str(tmp_path / "gone.json")]) == 1
    assert "gone.json is not a training job" in capsys.readouterr().err


@PEFT_NAMES
@pytest.mark.parametrize("lora", [None, {"rank": 4, "alpha": 64.0}], ids=["whole", "lora"])
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_end(make_job, tmp_path: Path, lora) -> None:
    step, delay_s = random.randint(1, 15), random.uniform(0, 0.2)
    print(f"killed {delay_s:.3f} s after checkpoint {step} is complete")  # shown when the test fails
    options = {"max_steps": 30, "checkpoint_every_steps": 1, "lora": lora}
    whole = run(make_job(out="whole", **options))
    job = make_job(out="killed", **options)
    path = job.write(tmp_path / "job.json")
    process = subprocess.Popen(
        build_command("cpu", path), env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    work = Path(f"{job.output_dir}.work")
    while not any(int(each.parent.name.split("-")[1]) >= step for each in work.glob(f"checkpoint-*/{COMPLETE_FILE}")):
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.01)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not Path(job.output_dir).exists()
    messages: list = []
    resumed = run(job, messages)
    assert resumed.resumed_from_step >= step
    assert messages[2] == {"kind": "note", "text": f"resuming from checkpoint-{resumed.resumed_from_step}"}
    assert (resumed.steps, resumed.tokens_seen) == (whole.steps, whole.tokens_seen)
    assert losses(resumed) == pytest.approx(losses(whole), rel=1e-4)
    assert (resumed.loss_before, resumed.loss_after) == pytest.approx((whole.loss_before, whole.loss_after), rel=1e-4)
    assert not Path(f"{job.output_dir}.work").exists()


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(stage1, make_job, tmp_path: Path) -> None:
    job = make_job(out="two")
    command = build_command("cpu_2", job.write(tmp_path / "job.json"), ("--main_process_port", "0"))
    subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    two = TrainingResult.read(Path(job.output_dir))
    assert read_manifest(Path(job.output_dir))["hardware"]["processes"] == 2
    assert losses(two) == pytest.approx(losses(stage1[1]), rel=1e-4)
    assert two.tokens_seen == stage1[1].tokens_seen


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster")  # its Pipes client uses deprecated context fields
def test_dagster_observes_steps_while_they_are_made(make_job, tmp_path: Path) -> None:
    import dagster as dg

    from codeio_assets.running.training import run_process

    job = make_job(max_steps=2)
    command = build_command("cpu", job.write(tmp_path / "job.json"))

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        run_process(context, command, {"OMP_NUM_THREADS": "1"}, job.output_dir)
        return dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([checkpoint], instance=instance).success
        records = instance.fetch_observations(checkpoint.key, limit=10).records
        seen = [record.asset_observation for record in records[::-1]]
    assert [observation.metadata["codeio/step"].value for observation in seen] == [1, 2]
    assert {"codeio/loss", "codeio/learning_rate", "codeio/tokens_per_s", "codeio/eta_s"} <= set(seen[0].metadata)
    assert TrainingResult.read(Path(job.output_dir)).steps == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster")
@pytest.mark.parametrize(
    ("program", "said", "retried"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed from outside", True),
        ("from codeio_assets.training.process.sft import main; main(['--job', JOB]) and exit(1)", "wants GPUs", False),
    ],
)
def test_a_process_that_dies_is_told_from_one_that_fails(make_job, tmp_path: Path, program, said, retried) -> None:
    import dagster as dg

    from codeio_assets.running.training import run_process

    job = make_job()
    job = replace(job, recipe={**job.recipe, "launch": "gpu_1"})
    command = [sys.executable, "-c", program.replace("JOB", repr(str(job.write(tmp_path / "job.json"))))]

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        run_process(context, command, {"ACCELERATE_MIXED_PRECISION": "bf16"}, job.output_dir)

    result = dg.materialize([checkpoint], raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert said in failure.user_failure_data.description
    assert failure.error_source is not None
    assert ("goes on from its last complete checkpoint" in failure.user_failure_data.description) is retried
