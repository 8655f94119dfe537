"""What a vLLM server says about itself on /metrics: queue, KV cache, tokens.

What lives here: reading the Prometheus text and summing up the readings of a run.
What does not: the server's process (`server`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from codeio_assets.core.values.canonical import Json

_SAMPLE = re.compile(r"^(vllm:[a-z_]+)(?:\{[^}]*\})?\s+([-+0-9.eEinfaN]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a server; counters since its start."""

    running: float = 0.0
    waiting: float = 0.0
    kv_cache_ratio: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    prefix_queries: float = 0.0
    prefix_hits: float = 0.0
    preemptions: float = 0.0


_NAMES = {
    "running": ("vllm:num_requests_running",),
    "waiting": ("vllm:num_requests_waiting",),
    "kv_cache_ratio": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    "prompt_tokens": ("vllm:prompt_tokens_total",),
    "completion_tokens": ("vllm:generation_tokens_total",),
    "prefix_queries": ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
    "prefix_hits": ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
    "preemptions": ("vllm:num_preemptions_total",),
}


def read_metrics(text: str) -> Reading:
    """Return what a /metrics page says; numbers of several engines are summed, what it lacks is zero."""
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        sums[name] = sums.get(name, 0.0) + float(value)
    found = {field: next((sums[name] for name in names if name in sums), 0.0) for field, names in _NAMES.items()}
    return Reading(**found)


def summary(readings: Iterable[tuple[float, Reading]]) -> dict[str, Json]:
    """Return the numbers of a run from (seconds, reading) pairs, for metadata; empty when there were no readings."""
    taken = list(readings)
    if not taken:
        return {}
    (first_s, first), (last_s, last) = taken[0], taken[-1]
    elapsed_s = last_s - first_s
    queries = last.prefix_queries - first.prefix_queries
    return {
        "readings": len(taken),
        "running_peak": int(max(reading.running for _, reading in taken)),
        "waiting_peak": int(max(reading.waiting for _, reading in taken)),
        "kv_cache_peak_ratio": round(max(reading.kv_cache_ratio for _, reading in taken), 4),
        "prompt_tokens": int(last.prompt_tokens - first.prompt_tokens),
        "completion_tokens": int(last.completion_tokens - first.completion_tokens),
        "completion_tokens_per_s": round((last.completion_tokens - first.completion_tokens) / elapsed_s, 2)
        if elapsed_s > 0
        else 0.0,
        "prefix_cache_hit_ratio": round((last.prefix_hits - first.prefix_hits) / queries, 4) if queries else 0.0,
        "preemptions": int(last.preemptions - first.preemptions),
    }
