"""What training costs on this machine: speed, memory and correctness of the trainer's settings, on random weights.

Needs no network and no data: models are made at random in the shapes of Qwen2.5, rows out of this package's own text.
Measured is the trainer itself (`codeio_assets.training.process`), a few steps per way. `plain` ways are TRL with the
paper's settings: one row or pack per forward pass, everything recomputed, autocast over float32 weights. The formula
of MFU is that of `codeio_assets.training.flops`. `make gpu-trial`, or `--device cpu` for the smallest form.
"""

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from codeio_assets.core.settings.recipes import Recipe  # noqa: E402
from codeio_assets.training.contract import TrainingJob, TrainingResult  # noqa: E402
from codeio_assets.training.launching import training_environment  # noqa: E402

os.environ.update({name: value for name, value in training_environment().items() if name not in os.environ})

QWEN = {"max_position_embeddings": 32768, "rope_theta": 1e6, "rms_norm_eps": 1e-6}


def shape(hidden: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int, tied: bool) -> dict[str, Any]:
    """Return a model's configuration, as transformers names it."""
    return {
        **QWEN,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
    }


SHAPES = {
    "tiny": shape(128, 256, 2, 4, 2, 4096, True),
    "0.5b": shape(896, 4864, 24, 14, 2, 151_936, True),
    "1.5b": shape(1536, 8960, 28, 12, 2, 151_936, True),
    "3b": shape(2048, 11_008, 36, 16, 2, 151_936, True),
    "7b/14": shape(3584, 18_944, 14, 28, 4, 152_064, False),
}
"""`7b/14` has the widths of 7B and 14 of its 28 layers: all of them with their optimiser fill more than one GPU."""

PLAIN = {"gradient_checkpointing": True, "attention": "sdpa"}
FAST = {"bf16_weights": True, "compile": True}
VARLEN = {**PLAIN, "packing": True, "attention": "varlen"}
WAYS: dict[str, dict[str, Any]] = {
    "fast, packed": {**FAST, "packing": True},
    "fast, rows": {**FAST, "padding_free": True},
    "plain, packed": {**PLAIN, "packing": True},
    "plain, rows": {**PLAIN},
}
LADDER: dict[str, dict[str, Any]] = {
    "packed, varlen, large": {**VARLEN, "per_device_batch_size": 4},
    "packed, + bf16 weights": {**VARLEN, "per_device_batch_size": 4, "bf16_weights": True},
    "packed, + nothing recomputed": {"packing": True, "per_device_batch_size": 4, "bf16_weights": True},
    "packed, + compiled": {**FAST, "packing": True, "per_device_batch_size": 4},
    "fast, packed, recomputed": {**FAST, "packing": True, "gradient_checkpointing": True},
    "fast, packed, 1/2 recomputed": {**FAST, "packing": True, "gradient_checkpointing": True, "checkpointed_layers": 2},
    "packed, flex": {**FAST, "packing": True, "attention": "flex", "per_device_batch_size": 4},
}
"""From plain to fast, one setting after the other, and what was left out of it; of the first size."""
ROWS_AT_ONCE = {"tiny": 2, "0.5b": 32, "1.5b": 16, "3b": 8, "7b/14": 8}
PACKS_AT_ONCE = {"tiny": 2, "0.5b": 16, "1.5b": 8, "3b": 4, "7b/14": 4}
LENGTH = {"cpu": 128, "cuda": 4096}
SHORT = LENGTH["cpu"]
"""Tokens per sequence, of the checks at most."""
STEP_TOKENS = {"cpu": 500, "cuda": 131_072}
PLAIN_PASSES = 16
"""Forward passes per step of a plain way: one row or pack each."""
PARTS = ["killed", "checks", "ways", "ladder"]
STEPS = 3
"""Of a way; the first one is left out of its time."""


def main() -> None:
    """Run the checks and the ways that fit into the time; print a table and write all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--output", type=Path, default=Path("gpu_trial.json"))
    parser.add_argument("--budget", type=int, default=400, help="seconds after which nothing new is started")
    parser.add_argument("--sizes", nargs="*", help="of the models; the first one also climbs the ladder of settings")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cpu":
        os.environ.update({"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})
    if options.child:
        print(json.dumps(losses_of(json.loads(options.child), options.device)))
        return
    trial = Trial(options)
    trial.run()
    print(trial.table())
    sys.exit(1 if trial.found["problems"] else 0)


class Trial:
    """What was found so far; written after each part, so that a run that is cut off leaves what it has."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.started = time.monotonic()
        self.sizes = options.sizes or (["tiny"] if options.device == "cpu" else ["1.5b", "7b/14", "3b", "0.5b"])
        self.killed: Any = None
        self.found: dict[str, Any] = {"machine": machine(options.device), "checks": {}, "ways": [], "problems": []}

    def run(self) -> None:
        """Run everything, the most wanted first."""
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            home = Path(folder)
            tokenizer = make_tokenizer(home / "tokenizer")
            if "killed" in self.options.only:
                self.killed = start_killed(home / "killed", self.options.device)
            if "checks" in self.options.only:
                self.check(home, tokenizer)
            wanted = [(size, name) for size in self.sizes for name in WAYS] if "ways" in self.options.only else []
            if "ladder" in self.options.only:  # behind the second size: the others can be left out
                at = min(len(wanted), 2 * len(WAYS))
                wanted[at:at] = [(self.sizes[0], name) for name in LADDER]
            for size, name in wanted:
                self.way(home, tokenizer, size, name)
            if self.killed:
                self.found["checks"]["killed"] = attempt(lambda: end_killed(*self.killed, self.options.device))
                self.told("killed", self.found["checks"]["killed"])
            self.found["problems"] += judged(self.found["checks"])
        self.save()

    def check(self, home: Path, tokenizer: Any) -> None:
        """Look at what must be right before it is fast."""
        cpu = start_child({}, "cpu")
        for name, function in (("kernels", kernels), ("parity", parity)):
            self.found["checks"][name] = attempt(lambda function=function: function(self.options.device))
            self.told(name, self.found["checks"][name])
        self.found["checks"]["cpu_losses"] = attempt(lambda: json.loads(cpu.communicate()[0].splitlines()[-1]))
        self.save()

    def way(self, home: Path, tokenizer: Any, size: str, name: str) -> None:
        """Measure one way, unless the time is over."""
        if time.monotonic() - self.started > self.options.budget:
            self.found["ways"].append({"size": size, "way": name, "skipped": "no time left"})
            return
        began = time.monotonic()
        row = {"size": size, "way": name, **attempt(lambda: measure(home, size, name, self.options.device))}
        row["took_s"] = round(time.monotonic() - began, 1)
        self.found["ways"].append(row)
        self.told(f"{size} {name}", row)
        self.save()

    def told(self, name: str, what: Any) -> None:
        """Say what was found, at once."""
        print(f"[{time.monotonic() - self.started:6.1f} s] {name}: {json.dumps(what)}", flush=True)

    def save(self) -> None:
        """Write what was found."""
        self.found["took_s"] = round(time.monotonic() - self.started, 1)
        self.options.output.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")

    def table(self) -> str:
        """Return the ways as a table, and the problems."""
        lines = [f"{'size':<7}{'way':<32}{'tokens/s':>10}{'MFU':>7}{'of plain':>10}{'peak GiB':>10}{'estimate':>10}"]
        plain = {
            (row["size"], row["way"].split(", ")[-1]): row["tokens_per_s"]
            for row in self.found["ways"]
            if row["way"].startswith("plain") and "tokens_per_s" in row
        }
        for row in self.found["ways"]:
            if "tokens_per_s" not in row:
                lines.append(f"{row['size']:<7}{row['way']:<32}{row.get('skipped') or row.get('error')}")
                continue
            beside = plain.get((row["size"], "packed" if "packed" in row["way"] else "rows"))
            times = f"{row['tokens_per_s'] / beside:.2f}" if beside else "-"
            share = f"{row['mfu']:.1%}" if row["mfu"] is not None else "-"
            lines.append(
                f"{row['size']:<7}{row['way']:<32}{row['tokens_per_s']:>10,.0f}{share:>7}{times:>10}"
                f"{row['peak_bytes'] / 2**30:>10.1f}{row['estimate_bytes'] / 2**30:>10.1f}"
            )
        return "\n".join([*lines, *(f"problem: {text}" for text in self.found["problems"])])


def attempt(function: Any) -> dict[str, Any]:
    """Return what a part found, or why it found nothing; the rest goes on."""
    try:
        return function()
    except Exception as error:
        import traceback

        return {"error": f"{type(error).__name__}: {str(error)[:400]}", "trace": traceback.format_exc()[-1500:]}


def machine(device: str) -> dict[str, Any]:
    """Return what this ran on."""
    import torch
    import transformers
    import trl

    names = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
    if device == "cpu":
        return {"device": f"CPU, {os.cpu_count()} cores", **names}
    total = torch.cuda.get_device_properties(0).total_memory
    return {"device": torch.cuda.get_device_name(), "memory_bytes": total, **names}


def make_tokenizer(folder: Path) -> Path:
    """Write a byte-level tokenizer with Qwen's special tokens, learnt from this package's text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([text()[:400_000]], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = (ROOT / "codeio_assets/training/tokenised/chat_template.jinja").read_text()
    tokenizer.save_pretrained(folder)
    return folder


def text() -> str:
    """Return this package's own source."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "codeio_assets").rglob("*.py")))


def write_rows(path: Path, count: int, mean: int) -> Path:
    """Write rows of `training_sets`: lengths spread as those of predictions are, some four characters per token."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn, source = random.Random(0), text()

    def piece(tokens: float) -> str:
        start = drawn.randrange(len(source) // 2)
        return source[start : start + max(8, int(tokens * 3.2))]

    rows = []
    for number in range(count):
        tokens = min(3.5, drawn.lognormvariate(-0.25, 0.7)) * mean
        prompt = json.dumps([{"role": "user", "content": piece(tokens * 0.5)}])
        answer = piece(tokens * 0.5)
        rows.append((f"{number:06d}", 1, "train", prompt, answer))
    names = ["sample_id", "stage", "split", "prompt_json", "completion"]
    pq.write_table(pa.table(list(map(list, zip(*rows, strict=True))), names=names), path)
    return path


def make_job(home: Path, size: str, settings: dict[str, Any], length: int) -> TrainingJob:
    """Return a job on rows and a model's configuration, both written when they are not there yet."""
    from transformers import AutoTokenizer, Qwen2Config

    home.mkdir(parents=True, exist_ok=True)
    base = home / f"base-{size.replace('/', '-')}"
    if not base.is_dir():
        words = home / "tokenizer"
        tokenizer = AutoTokenizer.from_pretrained(words if words.is_dir() else make_tokenizer(words))
        tokenizer.save_pretrained(base)
        config = Qwen2Config(**SHAPES[size], architectures=["Qwen2ForCausalLM"], eos_token_id=2, pad_token_id=0)
        config.save_pretrained(base)
    rows = home / "rows.parquet"
    if not rows.exists():
        write_rows(rows, 600 if length > 1000 else 40, length // 4)
    stage = {
        "mix": {"codeio": 1.0},
        "learning_rate": 1e-4,
        "max_steps": STEPS,
        "global_batch_size": 8,
        "max_length": length,
        "validation_rows": 0,
        "checkpoint_every_steps": 1_000,
        "untrainable_rows": "drop",
        **settings,
    }
    limits = {f"max_{name}_ratio": 1.0 for name in ("truncated", "lost", "untrainable", "without_end")}
    recipe = Recipe.model_validate({"name": "trial", "base_model": str(base), "stages": {1: stage}, "limits": limits})
    return TrainingJob(
        recipe=recipe.model_dump(mode="json"),
        stage=1,
        data_files=(str(rows),),
        output_dir=str(home / "out"),
        cache_dir=str(home / "cache"),
    )


def measure(home: Path, size: str, name: str, device: str) -> dict[str, Any]:
    """Train a few steps in one way, and return its speed and memory."""
    import torch

    settings = dict((WAYS | LADDER)[name])
    if device == "cpu":
        settings.pop("compile", None)  # its compiler takes longer than all the rest
    packed = settings.get("packing", False)
    plain = name.startswith("plain")
    at_once = 1 if plain else (PACKS_AT_ONCE if packed else ROWS_AT_ONCE)[size]
    at_once = settings.setdefault("per_device_batch_size", at_once)
    mean = LENGTH[device] if packed else LENGTH[device] // 4
    passes = PLAIN_PASSES if plain else max(2, STEP_TOKENS[device] // mean // at_once)
    settings["global_batch_size"] = passes * at_once
    clear()
    began = time.monotonic()
    trainer, data, estimate, messages = built(home, size, settings, device, LENGTH[device])
    ready = time.monotonic() - began
    largest = watch(trainer)
    trainer.train()
    steps = [message for message in messages if message["kind"] == "step"]
    timed = steps[1:]
    spent = sum(message["step_s"] for message in timed)
    tokens_per_s = sum(message["step_s"] * message["tokens_per_s"] for message in timed) / spent
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else steps[-1]["memory_bytes"]
    shown = trainer.optimizer_cls_and_kwargs
    needed = estimate(largest[0])
    result = {
        "tokens_per_s": round(tokens_per_s, 1),
        "mfu": trainer.progress.mfu(tokens_per_s),
        "flops_per_token": trainer.progress.work.flops_per_token,
        "padding_ratio": data.audit.padding_ratio,
        "peak_bytes": peak,
        "estimate_bytes": needed.total,
        "estimate": needed.as_json(),
        "losses": [round(message["loss"], 4) for message in steps],
        "first_step_s": steps[0]["step_s"],
        "step_s": [message["step_s"] for message in timed],
        "ready_s": round(ready, 1),
        "attention": trainer.model.config._attn_implementation,
        "masters": shown is not None,
        "settings": settings,
        "largest_batch_tokens": largest[0],
        "largest_possible_tokens": data.longest_batch,
    }
    if device == "cuda" and size == "1.5b" and name.startswith("fast, "):
        result["kernels"] = profiled(trainer, settings["per_device_batch_size"])
    del trainer, data
    clear()
    return result


def watch(trainer: Any) -> list[int]:
    """Return a list that holds the positions of the largest batch from now on."""
    largest, collate = [0], trainer.data_collator

    def watched(rows: list[Any]) -> Any:
        batch = collate(rows)
        largest[0] = max(largest[0], batch["input_ids"].numel())
        return batch

    trainer.data_collator = watched
    return largest


def profiled(trainer: Any, rows: int) -> list[tuple[str, float]]:
    """Return what a GPU does in a forward and backward pass: the kernels that take longest, in milliseconds."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(rows)])
    batch = {name: value.cuda() if hasattr(value, "cuda") else value for name, value in batch.items()}
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        trainer.compute_loss(trainer.model, dict(batch)).backward()
        torch.cuda.synchronize()
    events = sorted(found.key_averages(), key=lambda event: -event.self_device_time_total)
    return [(event.key[:90], round(event.self_device_time_total / 1000, 2)) for event in events[:16]]


def clear() -> None:
    """Give the GPU's memory back."""
    import torch

    gc.collect()
    torch._dynamo.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def built(home: Path, size: str, settings: dict[str, Any], device: str, length: int) -> Any:
    """Return the trainer of a way with a random model, its data, its estimate, and the list of what it will tell."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.trainer_utils import SaveStrategy

    from codeio_assets.training.memory import estimate
    from codeio_assets.training.process import trainer as ours
    from codeio_assets.training.process.preflight import placement, shape_of
    from codeio_assets.training.process.progress import Progress
    from codeio_assets.training.process.readying import kernel_of, make_ready, matrix_weights
    from codeio_assets.training.tokenised.making import make_set

    job = make_job(home, size, settings, length)
    stage = Recipe.model_validate(job.recipe).stage(1)
    tokens = home / f"tokens-{stage.max_length}-{stage.packing}"
    if not tokens.is_dir():
        make_set(job, Recipe.model_validate(job.recipe), ours.load_chat_tokenizer(job.recipe["base_model"]), tokens)
    plan = ours.make_plan(replace(job, tokens=str(tokens), output_dir=str(home / "unused")))
    words = ours.load_words(plan)
    data = ours.prepare_data(plan, words, lambda _: None)
    config = AutoConfig.from_pretrained(words.source)
    torch.manual_seed(0)
    kernel = kernel_of(config, stage, on_gpu=device == "cuda")
    with torch.device("cpu" if size == "tiny" else device):  # the tiny one is the same everywhere
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=kernel)
    make_ready(model.to(device), stage)
    model_shape = shape_of(model, None)

    def needed(tokens: int) -> Any:
        return estimate(model_shape, stage, tokens, placement(1))

    loaded = ours.Loaded(model, words.tokenizer, words.source, words.template, needed(data.longest_batch))
    messages: list[dict[str, Any]] = []
    progress = Progress(messages.append, data.work(*matrix_weights(model)), 1)
    trainer = ours.build_trainer(plan, loaded, data, progress)
    trainer.args.save_strategy = SaveStrategy.NO
    trainer.progress = progress
    return trainer, data, needed, messages


def losses_of(settings: dict[str, Any], device: str) -> list[float]:
    """Return the losses of six steps of a tiny model, the same rows and weights everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        size = {"max_steps": 6, "global_batch_size": 8, "learning_rate": 1e-3}
        trainer, _, _, messages = built(Path(folder), "tiny", {**size, **settings}, device, SHORT)
        trainer.train()
        return [message["loss"] for message in messages if message["kind"] == "step"]


PARITY = {
    "plain": {},
    "bf16 weights": {"bf16_weights": True},
    "padding-free": {"padding_free": True, "per_device_batch_size": 4},
    "all": {**FAST, "padding_free": True, "per_device_batch_size": 4},
    "all, recomputed": {**FAST, "padding_free": True, "per_device_batch_size": 4, "gradient_checkpointing": True},
}


def parity(device: str) -> dict[str, Any]:
    """Return the losses of a tiny model under the settings that shall change nothing."""
    found = {}
    for name, settings in PARITY.items():
        if device == "cpu" and "all" in name:
            settings = {**settings, "compile": False}
        found[name] = losses_of(settings, device)
        clear()
    return found


def start_child(settings: dict[str, Any], device: str) -> Any:
    """Start a process that says the losses of a tiny model."""
    command = [sys.executable, __file__, "--device", device, "--child", json.dumps(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kernels(device: str) -> dict[str, Any]:
    """Return how far the logits and gradients of samples packed together are from those of each alone, per kernel.

    The measure is the root of summed squares, relative to that of float32 samples alone on the CPU; `alone` is the
    same kernel's own rounding.
    """
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    from codeio_assets.training.process import attention

    attention.register()
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    config = Qwen2Config(**{**SHAPES["tiny"], "num_hidden_layers": 2})
    reference = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    lengths = [200, 3, 129, 64, 1, 115]
    rows = [torch.randint(0, 4096, (1, length)) for length in lengths]
    expected = _logits_and_gradient(reference, rows)
    found = {}
    for name, kernel in attention.NAMES.items():
        if kernel == "flash_attention_2" and not attention.is_flash_attn_2_available():
            found[name] = {"absent": "no flash-attn here"}
            continue
        if kernel == "flex_attention" and device == "cpu":
            found[name] = {"absent": "flex attention has no backward pass on a CPU"}
            continue
        found[name] = attempt(lambda kernel=kernel: _compared(reference, kernel, rows, expected, device, kind))
    return found


def _logits_and_gradient(model: Any, rows: list[Any]) -> tuple[Any, Any]:
    import torch

    model.zero_grad()
    outputs = [model(input_ids=row.to(model.device), use_cache=False).logits[0].float() for row in rows]
    logits = torch.cat(outputs)
    torch.logsumexp(logits, -1).sum().backward()
    return logits.detach().cpu(), _gradient(model)


def _gradient(model: Any) -> Any:
    import torch

    return torch.cat([part.grad.float().flatten().cpu() for part in model.parameters()])


def _compared(reference: Any, kernel: str, rows: list[Any], expected: Any, device: str, kind: Any) -> dict[str, float]:
    import copy

    import torch

    model = copy.deepcopy(reference)
    model.set_attn_implementation(kernel)
    model.to(device=device, dtype=kind)
    alone = _logits_and_gradient(model, rows)
    model.zero_grad()
    positions = torch.cat([torch.arange(row.shape[1]) for row in rows])[None].to(device)
    packed = model(input_ids=torch.cat(rows, 1).to(device), position_ids=positions, use_cache=False).logits[0].float()
    torch.logsumexp(packed, -1).sum().backward()
    together = (packed.detach().cpu(), _gradient(model))
    parts = ("logits", "gradient")
    return {
        **{part: _distance(mine, its) for part, mine, its in zip(parts, together, expected, strict=True)},
        **{f"{part}_alone": _distance(mine, its) for part, mine, its in zip(parts, alone, expected, strict=True)},
    }


def _distance(mine: Any, its: Any) -> float:
    return round(float((mine - its).norm() / its.norm()), 6)


def start_killed(home: Path, device: str) -> tuple[TrainingJob, Any]:
    """Start a job that will be killed."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {"max_steps": 16, "checkpoint_every_steps": 4, "padding_free": True, "per_device_batch_size": 4}
    job = make_job(home, "tiny", {**settings, "bf16_weights": True}, SHORT)
    base = Path(job.recipe["base_model"])
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base)).save_pretrained(base)
    process = _sft(job, home)
    threading.Thread(target=_kill_when_saved, args=(process, Path(job.output_dir)), daemon=True).start()
    return job, process


def _kill_when_saved(process: Any, output: Path) -> None:
    while process.poll() is None:
        if list(output.with_name(f"{output.name}.work").glob("checkpoint-*/complete")):
            process.send_signal(signal.SIGKILL)
            return
        time.sleep(0.02)


def _sft(job: TrainingJob, home: Path) -> Any:
    path = job.write(home / f"{Path(job.output_dir).name}.json")
    command = [sys.executable, "-m", "codeio_assets.training.process.sft", "--job", str(path)]
    with (home / "sft.log").open("a") as log:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def end_killed(job: TrainingJob, process: Any, device: str) -> dict[str, Any]:
    """Finish the job that was killed behind its first checkpoint, and compare with one that was left alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output = Path(job.output_dir)
    home = output.parent
    killed = process.wait()
    others = [_sft(job, home), _sft(replace(job, output_dir=str(output.with_name("alone"))), home)]
    codes = [other.wait() for other in others]
    if any(codes):
        return {"error": (home / "sft.log").read_text()[-1500:], "codes": codes}
    resumed, alone = TrainingResult.read(output), TrainingResult.read(output.with_name("alone"))
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(output)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "def f(x):"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(device)
    with torch.inference_mode():
        out = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    return {
        "exit_of_killed": killed,
        "resumed_from_step": resumed.resumed_from_step,
        "losses": [loss for _, loss in resumed.train_losses],
        "losses_alone": [loss for _, loss in alone.train_losses],
        "same_checkpoint": resumed.checkpoint_sha256 == alone.checkpoint_sha256,
        "served_tokens": int(out.shape[1] - prompt["input_ids"].shape[1]),
    }


def judged(checks: dict[str, Any]) -> list[str]:
    """Return what of the checks is wrong."""
    problems = [f"{name}: {found['error']}" for name, found in checks.items() if "error" in found]
    for name, found in checks.get("kernels", {}).items():
        if not isinstance(found, dict) or "absent" in found:
            continue
        if "error" in found:
            problems.append(f"kernel {name}: {found['error']}")
        elif found["logits"] > 2 * max(found["logits_alone"], 1e-5):
            problems.append(f"kernel {name}: packed logits are {found['logits']} off, alone {found['logits_alone']}")
    expected = checks.get("cpu_losses")
    for name, losses in checks.get("parity", {}).items():
        if isinstance(losses, list) and isinstance(expected, list):
            worst = max(abs(mine / its - 1) for mine, its in zip(losses, expected, strict=True))
            if worst > 0.01:
                problems.append(f"parity, {name}: losses are up to {worst:.2%} off those of the CPU")
    killed = checks.get("killed", {})
    if killed and "error" not in killed and not (killed["resumed_from_step"] and killed["served_tokens"]):
        problems.append(f"killed: {killed}")
    return problems


if __name__ == "__main__":
    main()
