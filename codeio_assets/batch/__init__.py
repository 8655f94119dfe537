"""Execution without Dagster: JSONL in, JSONL out. `docs/commands.md` documents the formats.

What lives here: what `codeio run`, `sample`, `judge`, `extract` and `audit` do. What does not: options (`cli`).
"""
