"""Asking base model and checkpoints about held-out rows with transformers: answers, and the loss of given ones.

What lives here: `EvaluationJob`, and the script that runs it, by hand or launched by Dagster:
`python -m codeio_assets.training.process.evaluation job.json ...`. What does not: judging answers
(`steps.held_out_scores`).

Every line of the output file is one finding; a job that is run again goes on where it stopped. Answers are greedy.
"""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl

from codeio_assets.core.values.canonical import Json, content_id
from codeio_assets.training.base_models import resolve_base_model
from codeio_assets.training.contract import Failure, TrainingError
from codeio_assets.training.launching import training_environment
from codeio_assets.training.tokenised.audit import rendered
from codeio_assets.training.tokenised.chat import end_of_turn, ensure_chat_template
from codeio_assets.training.tokenised.samples import Sample

Kind = Literal["answer", "loss"]
PROMPT_TOO_LONG = "prompt_too_long"
"""Why a row has no answer: its prompt alone fills `max_length`. It counts as an answer without a value."""


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """A model to ask: `name` in the tables, `source` as in a recipe or a checkpoint's folder, and its identity."""

    name: str
    source: str
    revision: str | None = None
    checkpoint_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """Which models are asked what.

    Attributes:
        rows_file: Parquet with `item_id`, `prompt_json`, `completion`, `ask` and `measure`: rows to answer, and rows
            whose completion's loss is taken.
        output: JSONL of findings: `model`, `item_id`, `kind`; for an answer `text`, `finish_reason`,
            `prompt_tokens`, `completion_tokens`; for a loss `loss_sum` and `tokens`.
    """

    models: tuple[EvaluatedModel, ...]
    rows_file: str
    output: str
    cache_dir: str
    max_new_tokens: int
    max_length: int
    batch_size: int

    def write(self, path: Path) -> Path:
        """Write the job as JSON and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a job.

        Raises:
            TrainingError: the file is missing, not JSON, or has other fields.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            data["models"] = tuple(EvaluatedModel(**model) for model in data["models"])
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{path} is not an evaluation job: {error}") from error


def rows_id(rows: pl.DataFrame, models: Sequence[EvaluatedModel], **settings: Json) -> str:
    """Return the identity of an evaluation: what is asked, of which weights, and how."""
    asked = rows.select("item_id", "prompt_json", "completion", "ask", "measure").rows()
    weights = [model.checkpoint_sha256 or f"{model.source}@{model.revision}" for model in models]
    return content_id(rows=[list(row) for row in asked], models=weights, **settings)


def read_findings(path: Path) -> list[dict[str, Json]]:
    """Return the findings in a file; a last line that a kill cut off is left out."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def run_evaluation(job: EvaluationJob, say: Callable[[str], None]) -> None:
    """Ask all models for what the output file does not hold yet; another job on the same file is waited for."""
    output = Path(job.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{output}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _ask_the_rest(job, output, say)


def _ask_the_rest(job: EvaluationJob, output: Path, say: Callable[[str], None]) -> None:
    found = read_findings(output)
    done = {(finding["model"], finding["kind"], finding["item_id"]) for finding in found}
    _drop_partial_line(output)
    rows = pl.read_parquet(job.rows_file).to_dicts()
    for model in job.models:
        asked = [row for row in rows if row["ask"] and (model.name, "answer", row["item_id"]) not in done]
        measured = [row for row in rows if row["measure"] and (model.name, "loss", row["item_id"]) not in done]
        if not asked and not measured:
            continue
        loaded = _Asked.load(model, Path(job.cache_dir))
        with output.open("a", encoding="utf-8") as sink:
            for finding in loaded.losses(measured, job):
                _append(sink, model, "loss", finding)
            say(f"{model.name}: the losses of {len(measured)} rows are there")
            for count, finding in enumerate(loaded.answers(asked, job), start=1):
                _append(sink, model, "answer", finding)
                if count % job.batch_size == 0 or count == len(asked):
                    say(f"{model.name}: {count} of {len(asked)} answered")


def _append(sink: Any, model: EvaluatedModel, kind: Kind, finding: dict[str, Json]) -> None:
    sink.write(json.dumps({"model": model.name, "kind": kind, **finding}) + "\n")
    sink.flush()


def _drop_partial_line(path: Path) -> None:
    """Cut what follows the last newline, so that the next line starts on its own."""
    if path.is_file():
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b"\n") + 1])


@dataclass(frozen=True)
class _Asked:
    """A loaded model with its tokenizer; `ends` are the tokens that end its turn."""

    model: Any
    tokenizer: Any
    ends: list[int]

    @classmethod
    def load(cls, model: EvaluatedModel, cache: Path) -> Self:
        import torch

        from codeio_assets.training.process.loading import load_model
        from codeio_assets.training.tokenised.chat import load_tokenizer

        source = resolve_base_model(model.source, cache, model.revision)
        options: dict[str, Any] = {} if Path(source).is_dir() else {"revision": model.revision}
        on_gpu = torch.cuda.is_available()
        loaded = load_model(source, torch.bfloat16 if on_gpu else torch.float32, options)
        tokenizer = load_tokenizer(source, options | {"padding_side": "left"})
        ensure_chat_template(tokenizer)
        ends = {tokenizer.convert_tokens_to_ids(end_of_turn(tokenizer)), tokenizer.eos_token_id}
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(loaded.to("cuda" if on_gpu else "cpu").eval(), tokenizer, sorted(ends - {None}))

    def losses(self, rows: list[dict[str, Any]], job: EvaluationJob) -> Iterator[dict[str, Json]]:
        """Yield the summed loss of each row's completion; rows without a trainable token are left out."""
        import torch
        from torch.nn.functional import cross_entropy

        for row in rows:
            sample = Sample(row["item_id"], json.loads(row["prompt_json"]), row["completion"])
            tokens, prompt = rendered(sample, self.tokenizer)
            kept = tokens[: job.max_length]
            count = len(kept) - prompt
            if count <= 0:
                continue
            ids = torch.tensor([kept], device=self.model.device)
            with torch.inference_mode():
                logits = self._logits(ids, count + 1)[0, :-1].float()
                loss = cross_entropy(logits, ids[0, prompt:], reduction="sum").item()
            yield {"item_id": row["item_id"], "loss_sum": loss, "tokens": count}

    def _logits(self, ids: Any, last: int) -> Any:
        """Return the logits of the last positions; most architectures need not compute the others."""
        only = {"logits_to_keep": last} if "logits_to_keep" in signature(self.model.forward).parameters else {}
        return self.model(input_ids=ids, use_cache=False, **only).logits[:, -last:]

    def answers(self, rows: list[dict[str, Any]], job: EvaluationJob) -> Iterator[dict[str, Json]]:
        """Yield an answer per row, prompts of like length together."""
        prompts = [(row["item_id"], self._prompt(row)) for row in rows]
        prompts.sort(key=lambda prompt: -len(prompt[1]))
        for item_id, ids in prompts:
            if len(ids) >= job.max_length:
                yield _answer(item_id, "", PROMPT_TOO_LONG, len(ids), 0)
        fitting = [prompt for prompt in prompts if len(prompt[1]) < job.max_length]
        for start in range(0, len(fitting), job.batch_size):
            yield from self._answer_batch(fitting[start : start + job.batch_size], job.max_new_tokens)

    def _prompt(self, row: dict[str, Any]) -> list[int]:
        messages = json.loads(row["prompt_json"])
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]

    def _answer_batch(self, batch: Sequence[tuple[str, list[int]]], max_new_tokens: int) -> Iterator[dict[str, Json]]:
        import torch

        padded = self.tokenizer.pad({"input_ids": [ids for _, ids in batch]}, return_tensors="pt")
        inputs = {name: tensor.to(self.model.device) for name, tensor in padded.items()}
        with torch.inference_mode():
            out = self.model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=self.ends,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        for (item_id, ids), new in zip(batch, out[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            end = next((index for index, token in enumerate(new) if token in self.ends), None)
            text = self.tokenizer.decode(new[:end], skip_special_tokens=True)
            used = len(new) if end is None else end + 1
            yield _answer(item_id, text, "length" if end is None else "stop", len(ids), used)


def _answer(item_id: str, text: str, finish_reason: str, prompt_tokens: int, completion_tokens: int) -> dict[str, Json]:
    return {
        "item_id": item_id,
        "text": text,
        "finish_reason": finish_reason,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run jobs one after the other; return the exit code. Why one failed is left beside the first one's output."""
    parser = argparse.ArgumentParser(prog="codeio_assets.training.process.evaluation", description=__doc__)
    parser.add_argument("jobs", type=Path, nargs="+", help="evaluation jobs as JSON (EvaluationJob)")
    options = parser.parse_args(arguments)
    for name, value in training_environment().items():
        os.environ.setdefault(name, value)
    output = ""
    try:
        jobs = [EvaluationJob.read(path) for path in options.jobs]
        output = jobs[0].output
        from codeio_assets.training.reporting import reporting

        with reporting() as report:
            for job in jobs:
                run_evaluation(job, lambda line: report({"kind": "note", "text": line}))
    except TrainingError as error:
        sys.stderr.write(f"evaluation failed: {error}\n")
        if output:
            Failure(str(error), final=True).write(output)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
