"""Which commands there are, in which module, and in a line what each does; so that help loads none of them.

What does not live here: the commands. A test holds each line against its command's own.
"""

from typing import Final

# ruff: noqa: E501  (a command and its line belong together)
GROUPS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "Begin": (
        ("init", "projects", "Make a project of your own in a folder, with settings that explain themselves."),
        ("shards", "retiring", "Shards: register, list, drop."),
        ("estimate", "llm", "Predict requests, tokens, cost and hours of what the steps that ask a model still have to ask."),
        ("try", "reading", "Take one file from start to end: function, pairs, tasks, answers, verdicts."),
        ("check-isolation", "execution", "Try every guarantee of the sandbox, and say which of them this machine gives."),
    ),
    "Make": (
        ("make", "making", "Make what is out of date of assets, shards or recipes, and tell why each is."),
        ("demo", "making", "Materialise the whole graph on what sources.yaml names, and show the funnel."),
        ("status", "making", "Show how far the data set is, what it cost, what is wrong with it, and what is out of date."),
    ),
    "Serve": (
        ("dev", "developing", "Serve Dagster's UI with its daemon, and the browser one port above; links in the UI lead there."),
    ),
    "Read": (
        ("browse", "reading", "Open the browser: read, search, compare, mark and try every sample, on 127.0.0.1."),
        ("show", "reading", "Print an item in full: file, function, pair, prompt, every turn with its verdict."),
        ("rejections", "reading", "Tell what was dropped, how often, why, and what to do about it."),
        ("sql", "reading", "Ask the tables in SQL; without a query, list the tables and their columns."),
        ("trace", "data", "Tell the way from an item to its file: task, pair, function, file, responses, models, verdicts, versions."),
        ("mark", "reading", "Mark an item: accept, exclude, flag, note or clear."),
    ),
    "Training sets": (
        ("export", "data", "Write a training set as Parquet and JSONL with a dataset card; `datasets.load_dataset` opens the folder."),
        ("snapshots", "data", "List the builds of a training set whose inputs are kept; `codeio unpin` lets go of one."),
        ("diff", "data", "Tell what changed between two builds of a training set and why, under the present recipe."),
        ("unpin", "data", "Let go of the inputs of a build, so that `codeio gc` may remove what nothing else names."),
        ("export-rl", "data", "Write tasks for reinforcement learning as Parquet with a dataset card, for TRL, verl and `datasets`."),
        ("export-verifiers", "data", "Write tasks as a package that Prime Intellect's `verifiers` installs: load, reward and validate."),
        ("evaluate", "evaluation", "Ask a recipe's models, or any model behind a server, the paper's benchmarks, and write their rows of its table."),
        ("models", "checkpoints", "Checkpoints: list, show, keep, remove."),
    ),
    "Execution without a project, JSONL in and out": (
        ("run", "execution", "Run programs that nobody trusts: one typed outcome per call, in the order of the input."),
        ("sample", "execution", "Turn transform responses into functions and reproducible pairs; the rest becomes rejections with a reason."),
        ("judge", "execution", "Judge predictions of either direction by execution, without any model."),
        ("extract", "execution", "Find the answer object in each response."),
        ("score", "execution", "Score responses as a benchmark's own scorer does, without any model; its figure is the last line."),
        ("leakage", "execution", "Find the questions that stand in training texts, by exact n-grams, in one pass."),
        ("audit", "execution", "Execute recorded pairs again and tell which do not reproduce, and why."),
    ),
    "Upkeep": (
        ("sources", "retiring", "Sources of raw code: list, drop."),
        ("takedown", "retiring", "Leave out single files from now on, wherever they stand, and tell which checkpoints had them."),
        ("upgrade", "making", "Bring a project of an earlier release up to date; other commands do so by themselves."),
        ("pools", "making", "Set how many steps each pool takes at once, as a YAML file says; for deployments over many machines."),
        ("journal", "llm", "List, verify, export, prune and merge the recorded responses."),
        ("export-journal", "making", "Write the responses that the present tables rest on: the same as `codeio journal export`."),
        ("verify", "data", "Read every file of every table, also of pinned builds, against its sha256; exit code 1 when one is damaged."),
        ("views", "making", "Write warehouse.duckdb anew, the views of all tables; `codeio sql` needs no such file."),
        ("gc", "making", "Remove table versions that neither a manifest nor a pin names."),
    ),
}  # fmt: skip
"""Heading -> (command, module of this package, what it does)."""

MODULE_OF: Final = {name: module for commands in GROUPS.values() for name, module, _ in commands}
MODULES: Final = tuple(dict.fromkeys(MODULE_OF.values()))
