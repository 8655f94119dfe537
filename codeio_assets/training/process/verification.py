"""Whether a written checkpoint is one: it loads from its folder alone, and says something.

What does not live here: files and hashes (`checkpoint`).
"""

from pathlib import Path
from typing import Any

from codeio_assets.core.values.canonical import Json
from codeio_assets.training.contract import TrainingError

PROBE = [{"role": "user", "content": "What is 2 + 3?"}]
NEW_TOKENS = 8


def first_words(folder: Path) -> dict[str, Json]:
    """Load a checkpoint on the CPU as anybody would, and return the first tokens of its answer to a plain question.

    Raises:
        TrainingError: it does not load, or its logits are not numbers.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    models: Any = AutoModelForCausalLM
    tokenizers: Any = AutoTokenizer
    try:
        model = models.from_pretrained(folder, dtype="auto", local_files_only=True).eval()
        tokenizer = tokenizers.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"the checkpoint in {folder} does not load: {str(error).splitlines()[0]}") from error
    prompt = tokenizer.apply_chat_template(PROBE, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        if not bool(torch.isfinite(model(**prompt).logits).all()):
            raise TrainingError(
                f"the checkpoint in {folder} gives logits that are no numbers. Lower the learning rate."
            )
        out = model.generate(**prompt, max_new_tokens=NEW_TOKENS, do_sample=False)
    new: list[int] = out[0, prompt["input_ids"].shape[1] :].tolist()
    return {"prompt": PROBE[0]["content"], "text": tokenizer.decode(new), "tokens": len(new)}
