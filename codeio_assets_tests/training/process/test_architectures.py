"""The other base models of the paper: a tiny one of each architecture learns for two steps, under the fast settings."""

from pathlib import Path
from typing import Any

import pytest

from codeio_assets.training.contract import TrainingError, TrainingResult
from codeio_assets.training.process.readying import matrix_weights


def folder_of(config: Any, tiny_model: Path, folder: Path) -> Path:
    """A random model of a configuration, with the tokenizer of the tiny model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


def deepseek() -> Any:
    from transformers import DeepseekV2Config

    return DeepseekV2Config(
        vocab_size=259,
        hidden_size=32,
        intermediate_size=64,
        moe_intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        first_k_dense_replace=1,
        kv_lora_rank=16,
        q_lora_rank=None,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=8,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )


def gemma() -> Any:
    from transformers import Gemma2Config

    return Gemma2Config(
        vocab_size=259,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=16,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=5.0,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )


def run(make_job, base: Path, out: str, **options: Any) -> TrainingResult:
    from codeio_assets.training.process.trainer import run_job

    job = make_job(out=out, max_steps=2, learning_rate=1e-3, checkpoint_every_steps=10, **options)
    job.recipe["base_model"] = str(base)
    return run_job(job, lambda _: None)


@pytest.mark.parametrize("config", [deepseek, gemma])
def test_it_learns_and_samples_end_to_end_change_nothing(config, make_job, tiny_model: Path, tmp_path: Path) -> None:
    base = folder_of(config(), tiny_model, tmp_path / "base")
    plain = run(make_job, base, "plain")
    fast = run(make_job, base, "fast", padding_free=True, per_device_batch_size=4)
    assert plain.loss_after < plain.loss_before
    expected = [loss for _, loss in plain.train_losses]
    assert [loss for _, loss in fast.train_losses] == pytest.approx(expected, rel=1e-4)
    assert fast.loss_after == pytest.approx(plain.loss_after, rel=2e-3)  # its mean is over batches, not tokens


def test_a_soft_cap_is_honoured_or_refused(make_job, tiny_model: Path, tmp_path: Path) -> None:
    base = folder_of(gemma(), tiny_model, tmp_path / "base")
    with pytest.raises(TrainingError, match="leaves out the soft cap"):
        run(make_job, base, "out", packing=True, attention="varlen")


def test_of_experts_those_count_that_a_token_is_sent_to() -> None:
    from transformers import AutoModelForCausalLM

    config = deepseek()
    model = AutoModelForCausalLM.from_config(config)
    inner, head, _ = matrix_weights(model)
    attention = 2 * (32 * 4 * 12 + 32 * (16 + 4) + 16 * 4 * 16 + 4 * 8 * 32)
    dense, router, shared, routed = 3 * 32 * 64, 4 * 32, 3 * 32 * 16, 2 * 3 * 32 * 16
    assert (inner, head) == (attention + dense + router + shared + routed, 259 * 32)


def test_trl_adds_no_router_loss_to_deepseeks() -> None:
    """TRL weighs it by `router_aux_loss_coef`, which DeepSeek's configuration does not have: see docs/training.md."""
    assert not hasattr(deepseek(), "router_aux_loss_coef")
