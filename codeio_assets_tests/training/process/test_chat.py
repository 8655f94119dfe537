import pytest

from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process.chat import PROBE, end_of_turn, ensure_chat_template


@pytest.fixture
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def test_a_template_of_the_model_is_kept(tokenizer) -> None:
    before = tokenizer.chat_template
    assert ensure_chat_template(tokenizer) == "tokenizer"
    assert tokenizer.chat_template == before
    assert end_of_turn(tokenizer) == "<|im_end|>"


def test_a_base_model_gets_a_template_whose_prompt_is_a_prefix_and_whose_turn_ends(tokenizer) -> None:
    tokenizer.chat_template = None
    assert ensure_chat_template(tokenizer) == "shipped"
    prompt = tokenizer.apply_chat_template(PROBE[:1], add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template(PROBE, tokenize=False)
    assert whole.startswith(prompt)
    assert whole.removeprefix(prompt).rstrip("\n") == "b<|im_end|>"
    assert end_of_turn(tokenizer) == tokenizer.eos_token


def test_a_turn_may_end_with_another_token_than_the_text(tokenizer) -> None:
    tokenizer.eos_token = "<|endoftext|>"
    assert end_of_turn(tokenizer) == "<|im_end|>"


def test_a_template_without_an_end_is_refused(tokenizer) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n\n\n{% endfor %}"
    with pytest.raises(TrainingError, match="no special token"):
        end_of_turn(tokenizer)
