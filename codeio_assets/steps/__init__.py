"""The steps of the method over one shard or recipe, as plain functions: frames and engines in, `StepResult` out.

What does not live here: rules (`core`), engines (`sandbox`, `llm`, `store`), Dagster (`defs`).
"""
