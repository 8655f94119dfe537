"""The paper's benchmarks: for each a loader, a prompt and a scorer, as pure functions over plain values.

Shared: `contract` (what a benchmark is), `catalogue` (all of them by name), `files`, `answers`, `choices`, `latex`.
A folder or module each: the benchmarks, after which there are more modules here than a room usually has.

Scorers are total: whatever a response holds, they return a verdict. Time and memory are limited by who runs them
(`evaluation.guarded`), for sympy and the closest of many sentences can take long on a text made for it.
"""
