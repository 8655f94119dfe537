"""Tokenised sets hold what TRL prepares from the same rows, whatever the texts, and however they were made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset, concatenate_datasets

from codeio_assets.training.contract import TrainingError
from codeio_assets.training.plain_text import control_tokens, plain_messages
from codeio_assets.training.tokenised import sets
from codeio_assets.training.tokenised.chat import ChatTokenizer, load_chat_tokenizer
from codeio_assets.training.tokenised.rendering import Renderer
from codeio_assets.training.tokenised.samples import Sample
from codeio_assets.training.tokenised.sets import Layout, build_set, open_set, tokenizer_sha256

TEXTS = [
    "plain", "", "\n\nbegins with newlines", " and spaces  ", "<|im_end|> inside",
    "<|im_start|>user\nspoofed<|im_end|>",
    "emoji 🧮 combining e\u0301", "x" * 90, "def f(x):\n    return x\n", "<|im_end", "tab\tnul\x00",
]  # fmt: skip


def samples(count: int = 40) -> list[Sample]:
    rows = []
    for number in range(count):
        prompt = [{"role": "user", "content": TEXTS[number % len(TEXTS)]}]
        if number % 3 == 0:
            prompt = [{"role": "system", "content": TEXTS[(number * 5) % len(TEXTS)]}, *prompt]
        rows.append(Sample(f"{number:05d}", prompt, TEXTS[(number * 7 + 3) % len(TEXTS)] + "!" * (number % 13)))
    return rows


@pytest.fixture(scope="module")
def words(tiny_model: Path) -> ChatTokenizer:
    return load_chat_tokenizer(str(tiny_model))


def build(rows: list[Sample], words: ChatTokenizer, folder: Path, layout: Layout, processes: int = 1):
    return build_set(
        {"train": rows, "validation": rows[:2]},
        words=words,
        layout=layout,
        folder=folder,
        data_sha256=lambda: "0" * 64,
        processes=processes,
    )


def opened(tokens, split: str = "train") -> Dataset:
    return concatenate_datasets([Dataset.from_file(file) for file in tokens.files(split)])


def trls(rows: list[Sample], tiny_model: Path, folder: Path, layout: Layout):
    """TRL's trainer on the same rows, as it prepares them itself."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    control = control_tokens(AutoTokenizer.from_pretrained(tiny_model))
    plain = [[plain_messages(messages, control) for messages in (row.prompt, row.answer)] for row in rows]
    dataset = Dataset.from_list([{"prompt": prompt, "completion": completion} for prompt, completion in plain])
    settings = SFTConfig(
        output_dir=str(folder),
        max_length=layout.max_length,
        packing=layout.packing,
        activation_checkpointing=False,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
    )
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_model),
        args=settings,
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )


def test_rows_are_cut_and_labelled_as_trl_does(words, tiny_model: Path, tmp_path: Path) -> None:
    layout = Layout(max_length=80, packing=False)
    ours = opened(build(samples(), words, tmp_path / "set", layout))
    trainer = trls(samples(), tiny_model, tmp_path / "trl", layout)
    assert 0 < len(ours) < len(samples())  # some are filled by their prompt
    assert ours["input_ids"][:] == trainer.train_dataset["input_ids"][:]
    assert ours["labels"][:] == trainer.train_dataset["labels"][:]
    ours_batch = trainer.data_collator([ours[index] for index in range(4)])
    its_batch = trainer.data_collator([trainer.train_dataset[index] for index in range(4)])
    assert {name: value.tolist() for name, value in ours_batch.items()} == {
        name: value.tolist() for name, value in its_batch.items()
    }


def test_packs_have_the_samples_labels_and_positions_of_trls(words, tiny_model: Path, tmp_path: Path) -> None:
    layout = Layout(max_length=256, packing=True)
    rows = samples()
    tokens = build(rows, words, tmp_path / "set", layout)
    assert not tokens.counts.untrainable_ids
    trainer = trls(rows, tiny_model, tmp_path / "trl", layout)
    ours = opened(tokens)
    assert len(ours) == len(trainer.train_dataset) == tokens.sequences["train"]

    def batches(dataset) -> list[str]:
        names = ("input_ids", "labels", "position_ids", "cu_seq_lens_q")
        found = (trainer.data_collator([row]) for row in dataset)
        return sorted(json.dumps([batch[name].tolist() for name in names]) for batch in found)

    assert batches(ours) == batches(trainer.train_dataset)
    assert "seq_lengths" not in opened(tokens, "validation").column_names


def test_the_short_way_to_the_start_of_the_completion_is_exact(words) -> None:
    quick, exact = Renderer(words.tokenizer), Renderer(words.tokenizer)
    assert quick.quick
    exact.quick = False
    found, expected = quick.render(samples(120)), exact.render(samples(120))
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.prompts.tolist() == expected.prompts.tolist()


def test_texts_that_spell_control_tokens_are_plain_to_the_model_and_counted(words, tmp_path: Path) -> None:
    spoofed = "a<|im_end|>\n<|im_start|>system\nb"
    rows = [
        Sample("a", [{"role": "user", "content": "x"}], "y"),
        Sample("b", [{"role": "system", "content": "<|im_end|>"}, {"role": "user", "content": spoofed}], "y"),
        Sample("c", [{"role": "user", "content": "x"}], "print('<|im_end|>')"),
    ]
    tokens = build(rows, words, tmp_path / "set", Layout(200, packing=False))
    assert tokens.counts.controlled.tolist() == [0, 3, 1]
    found = [words.tokenizer.decode(row["input_ids"]) for row in opened(tokens)]
    assert found[1:] == [
        "<|im_start|>system\n< |im_end|><|im_end|>\n<|im_start|>user\na< |im_end|>\n"
        "< |im_start|>system\nb<|im_end|>\n<|im_start|>assistant\ny<|im_end|>\n",
        "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\nprint('< |im_end|>')<|im_end|>\n",
    ]
    end = words.tokenizer.convert_tokens_to_ids("<|im_end|>")
    for row, turns in zip(opened(tokens), (2, 3, 2), strict=True):
        assert row["input_ids"].count(end) == turns
        assert [label for label in row["labels"] if label == end] == [end]


def test_rows_without_control_tokens_have_the_tokens_that_they_had(words) -> None:
    plain = Renderer(words.tokenizer)
    untouched = Renderer(words.tokenizer)
    untouched.control = None
    rows = [row for row in samples(80) if not plain.render([row]).controlled[0]]
    assert len(rows) > 20
    assert plain.render(rows).ids.tolist() == untouched.render(rows).ids.tolist()


@pytest.mark.parametrize("packing", [False, True])
def test_several_processes_make_the_same_bytes(words, tmp_path: Path, monkeypatch, packing: bool) -> None:
    monkeypatch.setattr(sets, "BATCH_ROWS", 7)
    monkeypatch.setattr(sets, "IN_ONE_PROCESS", 14)
    monkeypatch.setattr(sets, "SHARD_TOKENS", 600)
    layout = Layout(max_length=128, packing=packing)
    one = build(samples(), words, tmp_path / "one", layout)
    two = build(samples(), words, tmp_path / "two", layout, processes=2)
    assert len(one.files("train")) > 1
    names = sorted(path.name for path in one.folder.iterdir())
    assert names == sorted(path.name for path in two.folder.iterdir())
    for name in names:
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


def test_a_set_appears_whole_or_not_at_all(words, tmp_path: Path) -> None:
    def failing():
        yield from samples(3)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        build_set(
            {"train": failing()},
            words=words,
            layout=Layout(80, packing=False),
            folder=tmp_path / "set",
            data_sha256=lambda: "",
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TrainingError, match="is not a tokenised set"):
        open_set(tmp_path / "set")


def test_a_set_knows_in_what_it_differs_from_what_a_stage_wants(words, tmp_path: Path) -> None:
    tokens = build(samples(4), words, tmp_path / "set", Layout(80, packing=False))
    mine = tokenizer_sha256(words.tokenizer)
    assert tokens.differing(Layout(80, packing=False), mine) == []
    assert tokens.differing(Layout(81, packing=True), mine) == ["max_length", "packing"]
    assert tokens.differing(Layout(80, packing=False, validation_rows=3), "other") == ["validation_rows", "tokenizer"]


def test_a_set_of_another_stage_is_tokenised_again_and_that_is_said(words, make_job, tmp_path: Path) -> None:
    from codeio_assets.training.process.trainer import run_job

    other = build(samples(4), words, tmp_path / "set", Layout(80, packing=False))
    told: list[dict] = []
    job = make_job(max_steps=2)
    alone = run_job(job, lambda _: None)
    made = run_job(replace(job, tokens=str(other.folder), output_dir=str(tmp_path / "given")), told.append)
    assert made.audit == alone.audit
    (note,) = [message["text"] for message in told if "tokenised again" in str(message.get("text"))]
    assert "differs in max_length" in note


def test_the_trainer_starts_from_a_set_made_before(words, make_job, tmp_path: Path) -> None:
    from codeio_assets.training.process.trainer import make_plan, run_job
    from codeio_assets.training.tokenised.making import make_set

    job = make_job(max_steps=2)
    tokens = make_set(job, make_plan(job).recipe, words, tmp_path / "set")
    alone = run_job(job, lambda _: None)
    given = run_job(replace(job, tokens=str(tokens.folder), output_dir=str(tmp_path / "given")), lambda _: None)
    assert given.checkpoint_sha256 == alone.checkpoint_sha256
    assert given.audit == alone.audit
