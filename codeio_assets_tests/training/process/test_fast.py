"""The fast settings change how fast a stage is, and nothing else: attention, weights beside masters, whole runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process import attention
from codeio_assets.training.process.master_weights import MasterAdamW
from codeio_assets.training.process.packing import samples_are_isolated

LENGTHS = [20, 1, 13, 30]


def stage(**options: Any) -> StageRecipe:
    base = {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0, "global_batch_size": 4, "max_length": 64}
    return StageRecipe.model_validate({**base, **options})


def model_with(kernel: str, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM, Qwen2Config

    attention.register()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **options,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=kernel)


@pytest.mark.parametrize("options", [{}, {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0}])
def test_the_kernel_for_samples_end_to_end_is_that_of_each_alone(options: dict) -> None:
    reference, model = model_with("eager", **options), model_with(attention.VARLEN, **options)
    rows = [torch.randint(0, 97, (1, length)) for length in LENGTHS]
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    bounds = torch.tensor([0, 20, 21, 34, 64], dtype=torch.int32)
    expected = torch.cat([reference(input_ids=row).logits[0] for row in rows])
    by_positions = model(input_ids=torch.cat(rows, 1), position_ids=positions, use_cache=False).logits[0]
    by_bounds = model(
        input_ids=torch.cat(rows, 1),
        position_ids=positions,
        use_cache=False,
        cu_seq_lens_q=bounds,
        cu_seq_lens_k=bounds,
        max_length_q=30,
        max_length_k=30,
    ).logits[0]
    torch.testing.assert_close(by_positions, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(by_bounds, by_positions)
    expected.logsumexp(-1).sum().backward()
    by_bounds.logsumexp(-1).sum().backward()
    for mine, its in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, atol=1e-5, rtol=1e-3)


def test_the_kernel_refuses_padding() -> None:
    mask = torch.tensor([[1, 1, 0]])
    with pytest.raises(NotImplementedError, match="no padded batches"):
        model_with(attention.VARLEN)(input_ids=torch.tensor([[1, 2, 3]]), attention_mask=mask)


def test_the_probe_sees_kernels_that_keep_samples_apart() -> None:
    assert samples_are_isolated(model_with(attention.VARLEN))
    assert samples_are_isolated(model_with("sdpa"))


@pytest.mark.parametrize(
    ("options", "soft_capped", "on_gpu", "kernel"),
    [
        ({}, False, True, "sdpa"),
        ({"packing": True}, False, True, "varlen"),
        ({"padding_free": True}, False, False, "varlen"),
        ({"packing": True}, True, True, "flex"),
        ({}, True, False, "eager"),
        ({"packing": True, "attention": "sdpa"}, False, True, "sdpa"),
    ],
)
def test_auto_takes_the_fastest_that_is_right(options: dict, soft_capped: bool, on_gpu: bool, kernel: str) -> None:
    assert attention.choose(stage(**options), soft_capped=soft_capped, on_gpu=on_gpu) == kernel


def test_a_kernel_that_leaves_out_the_soft_cap_or_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError, match="leaves out the soft cap"):
        attention.choose(stage(attention="sdpa"), soft_capped=True, on_gpu=True)
    with pytest.raises(TrainingError, match="needs the package flash-attn"):
        attention.choose(stage(attention="flash"), soft_capped=False, on_gpu=True)


def steps(model: Any, optimiser: Any, batches: list[torch.Tensor], parts: int = 2) -> list[float]:
    losses = []
    for batch in batches:
        for part in batch.chunk(parts):
            loss = model(input_ids=part, labels=part).loss / parts
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def test_bf16_weights_learn_what_float32_weights_do_where_bf16_alone_learns_less() -> None:
    """With a rate at which single updates are below what bfloat16 can hold."""
    plain = model_with("sdpa")
    masters, rounded = copy.deepcopy(plain), copy.deepcopy(plain).to(torch.bfloat16)
    batches = [torch.randint(0, 97, (4, 32), generator=torch.Generator().manual_seed(0))] * 40
    rate = 2e-5
    before = copy.deepcopy(plain).state_dict()
    steps(plain, torch.optim.AdamW(plain.parameters(), lr=rate, weight_decay=0.0), batches)
    optimiser = MasterAdamW(masters.parameters(), lr=rate)
    assert {part.dtype for part in masters.parameters()} == {torch.bfloat16}
    steps(masters, optimiser, batches)
    steps(rounded, torch.optim.AdamW(rounded.parameters(), lr=rate, weight_decay=0.0), batches)
    optimiser.restore()

    def off(model: Any) -> float:
        moved = [(part - before[name]).flatten() for name, part in plain.state_dict().items()]
        missed = [(part.float() - plain.state_dict()[name]).flatten() for name, part in model.state_dict().items()]
        return float(torch.cat(missed).norm() / torch.cat(moved).norm())

    assert {part.dtype for part in masters.parameters()} == {torch.float32}
    assert off(masters) < 0.1
    assert off(rounded) > 0.5


def test_masters_are_saved_and_resumed_to_the_last_bit() -> None:
    batches = [torch.randint(0, 97, (4, 32), generator=torch.Generator().manual_seed(n)) for n in range(6)]
    whole = model_with("sdpa")
    one = MasterAdamW(whole.parameters(), lr=1e-3)
    steps(whole, one, batches)

    half = model_with("sdpa")
    two = MasterAdamW(half.parameters(), lr=1e-3)
    steps(half, two, batches[:3])
    saved, weights = copy.deepcopy(two.state_dict()), copy.deepcopy(half.state_dict())
    resumed = model_with("sdpa")
    resumed.load_state_dict(weights)
    three = MasterAdamW(resumed.parameters(), lr=1e-3)
    three.load_state_dict(saved)
    steps(resumed, three, batches[3:])
    for mine, its in zip(three.masters, one.masters, strict=True):
        assert mine.equal(its)


SETTINGS = [
    {"padding_free": True, "per_device_batch_size": 4},
    {"padding_free": True, "per_device_batch_size": 4, "gradient_checkpointing": True, "checkpointed_layers": 2},
    {"bf16_weights": True, "padding_free": True, "per_device_batch_size": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_fast_settings_give_the_losses_of_the_plain_ones(make_job, settings: dict) -> None:
    from codeio_assets.training.process.trainer import run_job

    options = {"learning_rate": 1e-3, "max_steps": 3, "checkpoint_every_steps": 10}
    plain = run_job(make_job(out="plain", **options), lambda _: None)
    job = make_job(out="fast", **options, **settings)
    fast = run_job(job, lambda _: None)
    expected = [loss for _, loss in plain.train_losses]
    near = 5e-3 if "bf16_weights" in settings else 1e-5
    assert [loss for _, loss in fast.train_losses] == pytest.approx(expected, rel=near)
    assert fast.loss_after == pytest.approx(plain.loss_after, rel=5e-3)
    from safetensors.torch import load_file

    kinds = {tensor.dtype for tensor in load_file(Path(job.output_dir) / "model.safetensors").values()}
    assert kinds == {torch.float32}
