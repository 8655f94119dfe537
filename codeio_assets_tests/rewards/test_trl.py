"""GRPO for real: a random model whose words are answers, TRL's trainer, and our sandbox as the reward."""

from pathlib import Path
from typing import Any

import pytest

from codeio_assets.rewards import RewardJudge, trl, trl_reward
from codeio_assets.rewards.trl import codeio_reward, text_of
from codeio_assets_tests.rewards.conftest import CODE

TARGET = '{"double":6,"words":[]}'
ANSWERS = [
    '{"input":{"n":3}}',
    '{"input":{"n":4}}',
    '{"input":{"n":-1}}',
    f'{{"output":{TARGET}}}',
    '{"output":7}',
    "hmm",
]
ROW = {"target": TARGET, "reference_code": CODE}


@pytest.fixture(scope="module")
def answering_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random llama with eight words, six of which are answers: whatever it says is one."""
    import torch
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_tokens([AddedToken(answer, normalized=False) for answer in ANSWERS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}so {% endif %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(ANSWERS) + 2,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=1,
    )
    folder = tmp_path_factory.mktemp("answering_model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_two_steps_of_grpo_learn_from_the_sandbox(answering_model: Path, judge: RewardJudge, tmp_path: Path) -> None:
    import datasets
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    seen: list[tuple[str, str, float | None]] = []
    ask = trl_reward(judge)

    def reward(completions: list[Any], **columns: Any) -> list[float | None]:
        values = ask(completions, **columns)
        texts = [text_of(completion) for completion in completions]
        seen.extend(zip(columns["direction"], texts, values, strict=True))
        return values

    rows = [
        {"prompt": [{"role": "user", "content": f"what is the {direction} ?"}], "direction": direction, **ROW}
        for direction in ("input", "output")
    ]
    settings = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=16,
        num_generations=8,
        max_completion_length=1,
        learning_rate=0.05,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        seed=1,
    )
    model = AutoModelForCausalLM.from_pretrained(answering_model)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    trainer = GRPOTrainer(
        model,
        reward_funcs=[reward],
        args=settings,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(answering_model),
    )
    trainer.train()
    right = {("input", ANSWERS[0]), ("output", ANSWERS[3])}
    assert trainer.state.global_step == 2
    assert [value for *_, value in seen] == [float((direction, text) in right) for direction, text, _ in seen]
    assert {value for *_, value in seen} == {0.0, 1.0}
    logged = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert [entry["rewards/reward/mean"] for entry in logged] == pytest.approx(
        [sum(value or 0 for *_, value in seen[at : at + 16]) / 16 for at in (0, 16)]
    )
    assert [entry["codeio/correct_ratio"] for entry in logged] == [entry["rewards/reward/mean"] for entry in logged]
    assert any(not torch.equal(before[name], weight) for name, weight in model.named_parameters())


def test_messages_answer_with_their_last(judge: RewardJudge) -> None:
    answer = '{"output": {"double": 6, "words": []}}'
    shapes: list[Any] = [
        answer,
        [{"role": "assistant", "content": answer}],
        [
            {"role": "assistant", "content": "hm"},
            {"role": "tool", "content": "x"},
            {"role": "assistant", "content": answer},
        ],
        [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
        [{"role": "assistant", "content": None}],
        [],
    ]
    count = len(shapes)
    values = trl_reward(judge)(
        prompts=["q"] * count,
        completions=shapes,
        completion_ids=[[1]] * count,
        direction=["output"] * count,
        target=[TARGET] * count,
        reference_code=[CODE] * count,
        license=["mit"] * count,
        trainer_state=None,
    )
    assert values == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_function_asks_the_judge_of_the_process(judge: RewardJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trl, "shared_judge", lambda: judge)
    columns = {name: [value] for name, value in ROW.items()}
    assert codeio_reward(['{"input":{"n":3}}'], direction=["input"], **columns) == [1.0]
    assert (codeio_reward.__name__, trl_reward(judge, "mine").__name__) == ("codeio_reward", "mine")
