"""The estimate before the start: arithmetic, refusal, and the shape of a real configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.training.memory import (
    GIB,
    SPARE,
    ModelShape,
    Placement,
    estimate,
    largest_micro_batch,
    too_large,
)

SMOLLM2 = ModelShape(134_515_008, 134_515_008, layers=30, hidden=576, intermediate=1536, vocabulary=49_152)
QWEN_7B = ModelShape(7_615_616_512, 7_615_616_512, layers=28, hidden=3584, intermediate=18_944, vocabulary=152_064)


def stage(**options) -> StageRecipe:
    base = {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0, "global_batch_size": 8}
    return StageRecipe.model_validate({**base, **options})


QWEN = {
    "1.5b": ModelShape(1_543_714_304, 1_543_714_304, 28, 1536, 8960, 151_936, key_value=256),
    "3b": ModelShape(3_085_938_688, 3_085_938_688, 36, 2048, 11_008, 151_936, key_value=256),
    "7b/14": ModelShape(4_352_807_424, 4_352_807_424, 14, 3584, 18_944, 152_064, key_value=512),
}
PLAIN = {"gradient_checkpointing": True}
BF16 = {"packing": True, "bf16_weights": True}
FAST = {**BF16, "compile": True}
H200 = Placement(on_gpu=True)
"""Peaks of `make gpu-trial` on an NVIDIA H200, docs/training.md: size, settings, tokens of the largest batch, GiB."""
PEAKS = [
    ("1.5b", FAST, 32_758, 90.63),
    ("1.5b", {**FAST, "packing": False, "padding_free": True}, 20_643, 63.92),
    ("1.5b", FAST, 16_381, 59.1),
    ("1.5b", BF16, 16_381, 72.0),
    ("1.5b", {**BF16, **PLAIN}, 16_381, 30.3),
    ("1.5b", {"packing": True, **PLAIN}, 16_381, 29.1),
    ("1.5b", {"packing": True, **PLAIN}, 4_096, 26.5),
    ("1.5b", PLAIN, 3_385, 26.3),
    ("3b", FAST, 16_381, 104.6),
    ("3b", PLAIN, 3_385, 52.5),
    ("7b/14", FAST, 16_381, 110.9),
    ("7b/14", {**FAST, "packing": False, "padding_free": True}, 12_226, 107.9),
    ("7b/14", PLAIN, 3_385, 72.3),
]


@pytest.mark.parametrize(("size", "options", "tokens", "peak"), PEAKS)
def test_the_estimate_is_near_the_peaks_measured_on_a_gpu(size: str, options: dict, tokens: int, peak: float) -> None:
    needed = estimate(QWEN[size], stage(**options), tokens, H200).total / GIB
    assert peak / SPARE <= needed <= 1.1 * peak


def test_the_estimate_is_near_the_measured_peak_of_the_demo() -> None:
    """5.22 GB were measured as the peak of a whole process, of which 0.49 GB are Python and its libraries."""
    needed = estimate(SMOLLM2, stage(max_length=1024, packing=False), 1024, Placement())
    assert needed.total == pytest.approx(5.22e9 - 0.49e9, rel=0.1)


@pytest.mark.parametrize(
    ("options", "tokens", "place", "part", "ratio"),
    [
        ({"gradient_checkpointing": True}, 4096, Placement(), "activations", (0.02, 0.12)),
        (
            {"gradient_checkpointing": True, "checkpointed_layers": 2},
            4096,
            Placement(),
            "activations",
            (0.5, 0.65),
        ),
        ({}, 8192, Placement(), "activations", (2, 2)),
        ({"bf16_weights": True}, 4096, H200, "activations", (0.4, 0.7)),
        ({"bf16_weights": True, "compile": True}, 4096, H200, "activations", (0.3, 0.5)),
        ({}, 4096, Placement(shards=8, on_gpu=True), "optimiser", (0.125, 0.125)),
        ({}, 4096, Placement(shards=8, on_gpu=True), "weights", (0.125, 0.3)),
        ({}, 4096, Placement(shards=8, on_gpu=True, resharded=False), "weights", (0.5, 0.7)),
        ({}, 4096, Placement(), "gradients", (1, 1)),
    ],
)
def test_each_choice_changes_its_part(
    options: dict, tokens: int, place: Placement, part: str, ratio: tuple[float, float]
) -> None:
    before = estimate(QWEN_7B, stage(), 4096, Placement())
    after = estimate(QWEN_7B, stage(**options), tokens, place)
    assert ratio[0] <= getattr(after, part) / getattr(before, part) <= ratio[1]


def test_adapters_need_no_optimiser_for_the_rest() -> None:
    adapters = replace(QWEN_7B, trained=40_000_000)
    whole, few = (estimate(shape, stage(), 4096, H200) for shape in (QWEN_7B, adapters))
    assert few.weights == whole.weights
    assert few.optimiser + few.gradients == 12 * 40_000_000


EIGHT = Placement(shards=8, on_gpu=True)


def test_the_papers_7b_recipe_fits_eight_gpus_of_80_gib_and_not_one() -> None:
    paper = stage(gradient_checkpointing=True)
    assert too_large(estimate(QWEN_7B, paper, 8 * 4096, EIGHT), 79 * GIB, "it", paper, 8) is None
    problem = too_large(estimate(QWEN_7B, paper, 4096, H200), 79 * GIB, "this machine", paper, 1)
    assert problem is not None
    assert "this machine has 79.0 GiB free. Add lora; use a launch that shards the model" in problem


def test_the_largest_micro_batch_that_fits_is_found() -> None:
    paper = stage(gradient_checkpointing=True, packing=True)
    sizes = [(rows, rows * 4096) for rows in (1, 2, 4, 8, 16, 32, 64)]
    found = largest_micro_batch(QWEN_7B, paper, EIGHT, 79 * GIB, sizes)
    assert found is not None
    assert found >= 8
    more = estimate(QWEN_7B, paper, 2 * found * 4096, EIGHT)
    assert too_large(more, 79 * GIB, "it", paper, 8) is not None
    assert largest_micro_batch(QWEN_7B, paper, Placement(on_gpu=True), 79 * GIB, sizes) is None


def test_the_advice_names_what_takes_the_room() -> None:
    long = stage(max_length=8192, per_device_batch_size=2)
    problem = too_large(estimate(SMOLLM2, long, 16_384, Placement()), 4 * GIB, "this machine", long, 1)
    assert problem is not None
    assert "set gradient_checkpointing: true" in problem.lower()
    assert "lower per_device_batch_size (it is 2); lower max_length (it is 8192)" in problem
    assert "lora" not in problem


def test_the_shape_comes_from_the_configuration(tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    from codeio_assets.core.settings.recipes import Lora
    from codeio_assets.training.process.preflight import model_shape

    shape = model_shape(str(tiny_model), {}, None)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert shape.parameters == shape.trained == sum(weight.numel() for weight in model.parameters())
    assert (shape.layers, shape.hidden, shape.intermediate) == (2, 32, 64)
    adapted = model_shape(str(tiny_model), {}, Lora.model_validate({"rank": 4}))
    per_layer = 4 * ((32 + 32) * 2 + (32 + 16) * 2 + (32 + 64) * 3)  # q and o; k and v; gate, up and down
    assert adapted.trained == 2 * per_layer
