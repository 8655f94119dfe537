"""Control tokens that a text spells are plain text for a real tokenizer."""

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.training.plain_text import control_tokens, made_plain, plain_messages

NAMES = ["<|im_end|>", "<|im_start|>", "</s>", "<s>", "<|endoftext|>", "[INST]"]


@dataclass
class Added:
    content: str
    special: bool = True


def tokenizer_of(*names: str) -> Any:
    return SimpleNamespace(
        added_tokens_decoder={number: Added(name) for number, name in enumerate(names)}, all_special_tokens=[]
    )


@given(st.lists(st.sampled_from([*NAMES, "<", "|", "im_end", " ", "a"]), max_size=12).map("".join))
def test_no_text_spells_a_control_token_afterwards(text: str) -> None:
    control = control_tokens(tokenizer_of(*NAMES))
    assert control is not None
    plain = made_plain(text, control)
    assert control.search(plain) is None
    assert re.sub(r"\s", "", plain) == re.sub(r"\s", "", text)
    assert made_plain(plain, control) is plain


def test_messages_keep_their_roles() -> None:
    control = control_tokens(tokenizer_of("</s>"))
    assert plain_messages([{"role": "user", "content": "a</s>b"}], control) == [{"role": "user", "content": "a< /s>b"}]
    assert made_plain("a</s>b", control_tokens(tokenizer_of())) == "a</s>b"


def test_a_real_tokenizer_reads_plain_text() -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the training packages are not installed")
    transformers = pytest.importorskip("transformers", reason="the training packages are not installed")
    model = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None, byte_fallback=False))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|im_end|>"]
    )
    model.train_from_iterator(["some text"], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>")
    control = control_tokens(tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    text = "print('<|im_end|>')"
    assert end in tokenizer(text)["input_ids"]
    assert end not in tokenizer(made_plain(text, control))["input_ids"]
