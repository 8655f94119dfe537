"""Tokenising off the GPU: rows and megabytes per second, against `datasets.map` with the same template.

Rows are made out of this package's own text, some 1,000 tokens each. `map` is what TRL does: one call per row for the
prompt and one for the whole conversation, then labels, in as many processes. Also: memory, and seconds until a trainer
has opened the set. `make bench-tokenise`, ARGS="--rows 350000" for the large run.
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from gpu_trial import make_tokenizer, text  # noqa: E402

from codeio_assets.core.settings.recipes import StageRecipe  # noqa: E402
from codeio_assets.training.launching import training_environment  # noqa: E402
from codeio_assets.training.tokenised.chat import ChatTokenizer, load_chat_tokenizer  # noqa: E402
from codeio_assets.training.tokenised.samples import Sample  # noqa: E402
from codeio_assets.training.tokenised.sets import Layout, build_set, open_set  # noqa: E402

LENGTH = 4096
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As Qwen's models have it."""


def main() -> None:
    """Measure both, and print a table."""
    os.environ.update(training_environment())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--map-rows", type=int, default=2_000, help="of the same, through datasets.map")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tokenizer", help="folder of one; else one is made, as fast and as coarse")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        words = load_chat_tokenizer(options.tokenizer or _made(home / "tokenizer"))
        print(f"{'way':<28}{'rows':>9}{'rows/s':>9}{'MB/s':>7}{'CPU ms/row':>12}{'of map':>8}{'peak GB':>9}")
        beside = shown("datasets.map", options.map_rows, mapped(options.map_rows, words, options.processes), None)
        for packing in (False, True):
            found = tokenised(options.rows, words, home / f"set-{packing}", packing, options.processes)
            shown(f"tokenised{', packed' if packing else ''}", options.rows, found, beside)
        print(f"a trainer opens the packed set of {options.rows:,} rows in {opening(home / 'set-True'):.2f} s")


def _made(folder: Path) -> str:
    tokenizer = load_chat_tokenizer(str(make_tokenizer(folder))).tokenizer
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    return str(folder)


def rows(count: int) -> Iterator[Sample]:
    """Yield rows of some 1,000 tokens, the same every time."""
    drawn, source = random.Random(0), text()
    for number in range(count):
        size = int(min(4.0, drawn.lognormvariate(-0.25, 0.7)) * 1_600)
        first, second = (drawn.randrange(len(source) - 8_000) for _ in range(2))
        prompt = [{"role": "user", "content": source[first : first + size]}]
        yield Sample(f"{number:08d}", prompt, source[second : second + size])


def shown(way: str, count: int, found: tuple[float, float], beside: float | None) -> float:
    """Print a line; return CPU seconds per row."""
    wall, cpu = found
    size = sum(len(row.prompt[0]["content"]) + len(row.completion) for row in islice(rows(count), 2_000))
    megabytes = size / min(count, 2_000) * count / 1e6
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
    times = f"{beside / (cpu / count):.2f}" if beside else "1.00"
    print(
        f"{way:<28}{count:>9,}{count / wall:>9.0f}{megabytes / wall:>7.1f}"
        f"{1000 * cpu / count:>12.2f}{times:>8}{peak:>9.2f}",
        flush=True,
    )
    return cpu / count


def timed(function: Any) -> tuple[float, float]:
    """Return seconds on the clock and on all CPUs, children included."""
    began, before = time.monotonic(), sum(os.times()[:4])
    function()
    return time.monotonic() - began, sum(os.times()[:4]) - before


def tokenised(count: int, words: ChatTokenizer, folder: Path, packing: bool, processes: int) -> tuple[float, float]:
    """Make a set."""
    return timed(
        lambda: build_set(
            {"train": rows(count)},
            words=words,
            layout=Layout(LENGTH, packing),
            folder=folder,
            data_sha256=lambda: "0" * 64,
            processes=processes,
        )
    )


def mapped(count: int, words: ChatTokenizer, processes: int) -> tuple[float, float]:
    """Tokenise and label rows as TRL does."""
    from datasets import Dataset
    from trl.data_utils import common_prefix_length

    data = Dataset.from_list([{"prompt": row.prompt, "completion": row.answer} for row in rows(count)])

    def tokens(row: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)["input_ids"]
        start = common_prefix_length(prompt, whole)
        return {"input_ids": whole[:LENGTH], "labels": ([-100] * start + whole[start:])[:LENGTH]}

    options = {"fn_kwargs": {"tokenizer": words.tokenizer}, "remove_columns": ["prompt", "completion"]}
    return timed(lambda: data.map(tokens, num_proc=processes if processes > 1 else None, **options))


def opening(folder: Path) -> float:
    """Return the seconds until a trainer has the set, its audit and its first sequence."""
    from codeio_assets.training.process.opening import open_data

    stage = StageRecipe.model_validate(
        {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0, "packing": True, "max_length": LENGTH}
    )
    began = time.monotonic()
    data = open_data(open_set(folder), stage, 1)
    data.train[0]
    return time.monotonic() - began


if __name__ == "__main__":
    main()
