import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process.audit import RowTokens, accumulation_steps, audit, count_tokens, pack, planned_steps
from codeio_assets.training.process.samples import Sample


def stage(**options) -> StageRecipe:
    base = {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0, "global_batch_size": 4, "max_length": 10}
    return StageRecipe.model_validate({**base, **options})


ROWS = [RowTokens("fits", 4, 4), RowTokens("cut", 6, 9), RowTokens("ends open", 2, 2, has_end=False)]


def test_truncation_is_counted_in_completion_tokens() -> None:
    found = audit(ROWS, stage())
    assert (found.rows, found.prompt_tokens, found.completion_tokens) == (3, 12, 15)
    assert (found.max_row_tokens, found.rows_truncated, found.completion_tokens_lost) == (15, 1, 5)
    assert (found.trainable_tokens, found.rows_without_end) == (10, 2)


def test_rows_without_trainable_tokens_are_named() -> None:
    found = audit([*ROWS, RowTokens("too-long", 10, 3)], stage())
    assert found.untrainable_ids == ("too-long",)
    with pytest.raises(TrainingError, match=r"1 of 4 rows have no trainable token.*too-long"):
        found.require_trainable()
    found.require_trainable("drop")


def test_no_rows_and_only_untrainable_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="no training rows"):
        audit([], stage()).require_trainable("drop")
    with pytest.raises(TrainingError, match="1 of 1 rows"):
        audit([RowTokens("too-long", 10, 3)], stage()).require_trainable("drop")


def test_the_papers_700_steps_are_three_epochs_only_with_packing() -> None:
    papers = {"max_steps": 700, "epochs": None, "global_batch_size": 1024, "max_length": 4096}
    rows = [RowTokens(str(number), 400, 436) for number in range(1_180)]  # 1/1000 of 1.18M samples
    scaled = stage(**{**papers, "global_batch_size": 1, "max_steps": 717})
    plain, packed = audit(rows, scaled), audit(rows, scaled.model_copy(update={"packing": True}))
    assert plain.epochs_implied == pytest.approx(0.61, abs=0.01)
    assert packed.samples_per_sequence == pytest.approx(4.0)
    assert packed.epochs_implied == pytest.approx(4 * plain.epochs_implied, rel=0.01)


@pytest.mark.parametrize(
    ("sequences", "devices", "epochs", "steps"), [(8, 1, 1.0, 2), (9, 1, 1.0, 3), (9, 2, 1.0, 3), (8, 1, 1.5, 3)]
)
def test_steps_of_epochs(sequences: int, devices: int, epochs: float, steps: int) -> None:
    assert planned_steps(stage(epochs=epochs), sequences, devices) == steps


def test_epochs_end_with_a_smaller_batch() -> None:
    rows = [RowTokens(str(number), 2, 2) for number in range(6)]
    implied = [audit(rows, stage(epochs=None, max_steps=steps)).epochs_implied for steps in (1, 2, 3, 6)]
    assert implied == [0.6667, 1, 1.6667, 3]  # batches of four and two


def test_the_global_batch_is_kept_whatever_the_devices() -> None:
    wanted = stage(global_batch_size=1024, per_device_batch_size=4)
    assert [accumulation_steps(wanted, devices) for devices in (1, 8, 64)] == [256, 32, 4]
    with pytest.raises(TrainingError, match=r"1024 is no multiple of per_device_batch_size 4 x 7 devices"):
        accumulation_steps(wanted, 7)


def test_padding_is_measured_per_batch() -> None:
    rows = [RowTokens("a", 2, 2), RowTokens("b", 4, 4)]
    assert audit(rows, stage(per_device_batch_size=2)).padding_ratio == 0.25
    assert audit(rows, stage(per_device_batch_size=1)).padding_ratio == 0
    assert audit(rows, stage(packing=True, max_length=12)).padding_ratio == 0


@given(st.lists(st.integers(1, 64), max_size=60))
def test_packs_hold_all_tokens_and_never_overflow(lengths: list[int]) -> None:
    packs = pack(lengths, 64)
    assert sum(packs) == sum(lengths)
    assert all(0 < length <= 64 for length in packs)
    assert len(packs) <= len(lengths)


def test_packing_is_what_trl_does() -> None:
    import random

    from datasets import Dataset
    from trl.data_utils import pack_dataset

    drawn = random.Random(3)
    lengths = [drawn.randint(1, 64) for _ in range(200)]
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in lengths]})
    packed = pack_dataset(rows, 64, "bfd")
    assert sorted(len(ids) for ids in packed["input_ids"]) == sorted(pack(lengths, 64))


def test_tokens_are_counted_through_the_chat_template(tiny_model) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    sample = Sample("s", [{"role": "user", "content": "four"}], "seven!!")
    (row,) = count_tokens([sample], tokenizer)
    prompt = "|user\nfour|\n|assistant\n"  # a byte per token; | stands for one special token
    assert row == RowTokens("s", len(prompt), len("seven!!|\n"), has_end=True)
