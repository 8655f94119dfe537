"""A tiny model with a real chat tokenizer's habits, rows to train it on, and jobs."""

import json
from pathlib import Path

import polars as pl
import pytest

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import polars_schema
from codeio_assets.core.values.canonical import content_id
from codeio_assets.training.contract import TrainingJob

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer llama with random weights and a byte-level tokenizer, as a transformers folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet]
    backend = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=True,
    )
    folder = tmp_path_factory.mktemp("tiny_model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def training_row(stage: int, split: str, prompt: str, completion: str) -> dict:
    prompt_json = json.dumps([{"role": "user", "content": prompt}])
    ids = {"sample_id": content_id(stage=stage, prompt=prompt, completion=completion), "stage": stage, "split": split}
    return {
        **dict.fromkeys(polars_schema("training_sets")),
        **ids,
        "kind": "codeio" if stage == 1 else "instruction",
        "source": "test",
        "prompt_json": prompt_json,
        "completion": completion,
    }


def write_rows(path: Path, rows: list[dict]) -> Path:
    pl.DataFrame(rows, schema=polars_schema("training_sets")).write_parquet(path)
    return path


def default_rows() -> list[dict]:
    """Sixteen training rows and four held-out ones per stage, of different lengths."""
    rows = []
    for stage, task in ((1, "add"), (2, "say")):
        for number in range(20):
            split = "train" if number < 16 else "validation"
            answer = json.dumps({"output": number + stage}) + " done" * (number % 5)
            rows.append(training_row(stage, split, f"{task} {stage} to {number}", answer))
    return rows


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", default_rows())


@pytest.fixture
def make_job(tiny_model: Path, rows_file: Path, tmp_path: Path):
    """Return a function that makes a job; options of the stage replace the defaults."""

    def make(stage: int = 1, *, data: Path | None = None, parent: str | None = None, out: str = "", **options):
        base = {
            "learning_rate": 0.01,
            "max_steps": 4,
            "global_batch_size": 4,
            "max_length": 128,
            "validation_rows": 4,
            "checkpoint_every_steps": 2,
        }
        recipe = Recipe.model_validate(
            {
                "name": "tiny",
                "base_model": str(tiny_model),
                "stages": {
                    1: {**base, "mix": {"codeio": 1.0}, **(options if stage == 1 else {})},
                    2: {**base, "mix": {"instruction": 1.0}, **(options if stage == 2 else {})},
                },
            }
        )
        return TrainingJob(
            recipe=recipe.model_dump(mode="json"),
            stage=stage,
            data_files=(str(data or rows_file),),
            output_dir=str(tmp_path / (out or f"stage{stage}")),
            parent=parent,
            cache_dir=str(tmp_path / "cache"),
            data_versions={"training_sets/tiny": "v1"},
            run_info={"run_id": "r1"},
        )

    return make
