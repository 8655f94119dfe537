"""The steps of the method over one shard or recipe, as plain functions: frames and engines in, `StepResult` out.

More modules than a room usually has: one per asset, so that the graph and this folder read alike.
What does not live here: rules (`core`), engines (`sandbox`, `llm`, `store`), Dagster (`defs`).
"""
