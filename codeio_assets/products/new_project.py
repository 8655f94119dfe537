"""A project of one's own: the files that a user edits, written with comments.

What does not live here: what the fields mean (`core.settings`).
"""

from collections.abc import Iterator
from pathlib import Path

from codeio_assets.project import INSTALLED_ROOT, MARKER
from codeio_assets.store import StoreError

SETTINGS = """\
# How the pipeline calls models, runs code and judges. Every field with its default: docs/reference.md.
# The environment goes first: CODEIO_BASE_URL, CODEIO_MODEL. A key comes from CODEIO_API_KEY and never from a file.
chat:
  base_url: http://127.0.0.1:8000/v1   # any OpenAI-compatible server; or vllm, which starts one
  model: Qwen2.5-Coder-7B-Instruct     # as the server names it
  concurrency: 64                      # requests at the same time
  transform: {temperature: 0.7, max_tokens: 2500}   # rewriting a file into a function
  predict: {temperature: 0.7, max_tokens: 2000}     # predicting inputs and outputs
  revision_turns: 1                    # further turns for what was wrong; 0 = CodeI/O, 1 = CodeI/O++
  # prompts: prompts                   # a folder with your own templates in place of ours
  # budget: {run_cost: 5.0}            # stops cleanly; what came stays
  # prices: {Qwen2.5-Coder-7B-Instruct: {input: 0.1, output: 0.3}}   # per million tokens

sandbox:
  cpu_s: 5.0                           # CPU seconds per call
  memory_mib: 512

split:
  validation_ratio: 0.05               # share of functions and conversations that is held out
"""
SOURCES = """\
# Where raw code comes from. Each source is cut into shards of `shard_size` files; a shard is a partition.
# Kinds: directory (path, glob), jsonl and parquet (path, fields), git (url, revision), huggingface (dataset, revision).
sources:
  ours:
    kind: directory
    path: {path}
    license: {license}
    pairs_per_function: 6
    shard_size: 200                    # 1,000 for real work: one run per shard

# Chat conversations for stage 2: JSONL lines with `messages`.
# instruction_data:
#   chats: {{path: chats.jsonl}}
"""
RECIPE = """\
# What a model is trained on and how. The paper's recipes: recipes/ of codeio_assets; fields: docs/recipes.md.
description: A first recipe, every sample of every source.
base_model: Qwen/Qwen2.5-Coder-0.5B
stages:
  1: {mix: {codeio: 1.0}, learning_rate: 1.0e-5, epochs: 1.0, global_batch_size: 64}
data:
  revision_turns: 1
  exclude: marked                      # leaves out what people marked `exclude` in `codeio browse`
"""
EXAMPLE = '''\
"""An example to begin with; put your own files beside it, or change `path` in sources.yaml."""


def change(amount, coins):
    """Return how many of each coin make up an amount, taking large coins first."""
    used = {}
    for coin in sorted(coins, reverse=True):
        used[coin], amount = divmod(amount, coin)
    return used, amount
'''
IGNORED = "var/\n"
FILES = {"codeio.yaml": SETTINGS, "recipes/first.yaml": RECIPE, ".gitignore": IGNORED}


def make_project(folder: Path, code: Path | None = None) -> Iterator[str]:
    """Write the files of a project into a folder and yield what to do next.

    Raises:
        StoreError: the folder holds something already, or there is no folder of code.
    """
    if (folder / MARKER).exists():
        raise StoreError(f"{folder} is a project already: it has {MARKER}. Name another folder.")
    if folder.exists() and (not folder.is_dir() or any(path.name != ".git" for path in folder.iterdir())):
        raise StoreError(f"{folder} is not empty. Name a new folder, or empty it.")
    if code is not None and not code.is_dir():
        raise StoreError(f"{code} is no folder. Name the one with your Python files, or leave --code out.")
    path = str(code.resolve()) if code else "code"
    sources = SOURCES.format(path=path, license="null" if code else "apache-2.0")
    demo = (INSTALLED_ROOT / "recipes" / "demo.yaml").read_text(encoding="utf-8")
    files = {**FILES, "sources.yaml": sources, "recipes/demo.yaml": demo} | (
        {} if code else {"code/change.py": EXAMPLE}
    )
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        yield f"  {name}"
    yield f"A project in {folder}. Then:\n"
    yield f"  cd {folder}\n  codeio shards          # what sources.yaml finds\n  codeio check-isolation\n"
    yield "  codeio try FILE.py     # one file, from start to end\n  codeio estimate        # before anything is made"
