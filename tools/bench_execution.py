"""Execution with full isolation against a fresh interpreter per check and against bare calls, on real functions.

Reads ../shared/data, takes all figures of a comparison in one run, and prints a table, or JSON with `--json`.
`make bench-execution`; `make bench-execution-scale` shows instead what many programs cost. CPU seconds count this
process and all below it: bubblewrap, workers, and each call's own process.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from execution_material import (
    LIGHT_CALL_S,
    Check,
    cpu_seconds,
    jobs_of,
    recorded_checks,
    rows_of,
    sound_checks,
    worker_memory,
)
from execution_ways import run_way

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.transform import ParsedFunction, parse_response
from codeio_assets.core.method.verdicts import judge_input
from codeio_assets.core.settings.project import Sampling
from codeio_assets.sandbox import Job, open_sandbox
from codeio_assets.sandbox.pool import WorkerPool
from codeio_assets.sandbox.preloading import PRELOADS, worker_kind
from codeio_assets.sandbox.workers import WorkerKey
from codeio_assets.steps.executing import CHANGED, REFERENCE, Tally
from codeio_assets.steps.io_pairs import Candidate, confirm, draw_and_execute, problem_of

RESPONSES = ("deepseek-v2.5-0908", "Meta-Llama-3.1-8B-Instruct", "Qwen2.5-7B-Instruct")
SCALES = (1_000, 10_000, 100_000)
SHORT_CALL_S = 0.1
"""Calls from here on are few, and their own work decides the sum over all functions whoever runs them."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2, help="recorded inputs per function")
    parser.add_argument("--functions", type=int, default=60, help="functions that are sampled")
    parser.add_argument("--rounds", type=int, default=2, help="how often our side is measured; the median counts")
    parser.add_argument("--scale", action="store_true", help="only the cost of 1,000, 10,000 and 100,000 programs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = scale() if options.scale else compare(options)
    if options.json:
        json.dump(figures, sys.stdout, indent=1)
        print()
    else:
        show(figures)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures but those of `--scale`."""
    with open_sandbox() as sandbox:
        checks = sound_checks(recorded_checks(options.inputs), sandbox)
    note(f"{len(checks)} checks; bare calls")
    items = [
        {"function": each.function, "code": each.code, "entry": each.entry, "input": each.input_json}
        | {"output": each.output_json}
        for each in checks
    ]
    bare = run_way("bare", items)
    note("a fresh interpreter per check")
    fresh = run_way("fresh", items)
    light = [check.kind == "light" and bare_s < LIGHT_CALL_S for check, bare_s in zip(checks, bare, strict=True)]
    groups = {
        "all": [True] * len(checks),
        "short": [bare_s < SHORT_CALL_S for bare_s in bare],
        "light": light,
        "heavy": [not each for each in light],
    }
    figures: dict[str, Any] = {"isolation": sandbox.isolation, "memory": memory()}
    for name, chosen in groups.items():
        note(f"ours, {name} functions")
        picked = [check for check, wanted in zip(checks, chosen, strict=True) if wanted]
        ours = [judged(picked, workers=1) for _ in range(options.rounds)]
        figures[name] = group_figures(
            len(picked),
            fresh_s=sum(each for each, wanted in zip(fresh, chosen, strict=True) if wanted),
            bare_s=sum(each for each, wanted in zip(bare, chosen, strict=True) if wanted),
            ours_s=statistics.median(each["cpu_s"] for each in ours),
            wall_s=statistics.median(each["wall_s"] for each in ours),
        )
    note("one and two workers")
    figures["workers"] = two_workers([check for check, wanted in zip(checks, light, strict=True) if wanted])
    note("sampling")
    figures["sampling"] = sampling(options.functions)
    note("extraction")
    figures["extraction"] = extraction()
    return figures


def group_figures(count: int, *, fresh_s: float, bare_s: float, ours_s: float, wall_s: float) -> dict[str, float]:
    """Return the comparison for one group of checks, times in CPU milliseconds per check."""
    return {
        "checks": count,
        "fresh_ms": fresh_s / count * 1e3,
        "bare_ms": bare_s / count * 1e3,
        "ours_ms": ours_s / count * 1e3,
        "times_fewer_than_fresh": fresh_s / ours_s,
        "floor_times_fewer": fresh_s / bare_s,
        "floor_share": bare_s / ours_s,
        "checks_per_cpu_s": count / ours_s,
        "checks_per_wall_s": count / wall_s,
    }


def judged(checks: list[Check], workers: int) -> dict[str, float]:
    """Judge all checks as predicted inputs, in workers that are ready; return CPU and wall seconds."""
    targets = {(check.function, check.input_json): check.output_json for check in checks}
    with open_sandbox(workers=workers) as sandbox:
        ready(sandbox, checks, workers)
        cpu, started = cpu_seconds(), time.monotonic()
        for job, outcomes in sandbox.run_many(jobs_of(checks)):
            for text, outcome in zip(job.calls, outcomes, strict=True):
                target = targets[job.job_id, text]
                verdict = judge_input(
                    text,
                    outcome_status=outcome.status,
                    outcome_value_json=outcome.value_json,
                    error_type=outcome.error_type,
                    message=outcome.message,
                    target_json=target,
                )
                if verdict.status != "correct":
                    note(f"function {job.job_id}: {verdict.status} {outcome}")
        return {"cpu_s": cpu_seconds() - cpu, "wall_s": time.monotonic() - started}


def ready(sandbox: WorkerPool, checks: list[Check], workers: int) -> None:
    """Start the workers that the checks need, `workers` of each kind."""
    slow = "import time\ndef main_solution():\n    time.sleep(0.2)\n    return 1\n"
    for kind in {check.kind for check in checks}:
        code = slow if kind == "light" else f"import {kind}\n{slow}"
        for _ in sandbox.run_many([Job("", code, calls=["{}"] * 2)] * workers):
            pass


def two_workers(checks: list[Check]) -> dict[str, float]:
    """Return checks per wall second with one and with two workers, in turns, on light functions."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    costs: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for workers in rates:
            spent = judged(checks, workers)
            rates[workers].append(len(checks) / spent["wall_s"])
            costs[workers].append(spent["cpu_s"] / len(checks) * 1e3)
    one, two = max(rates[1]), max(rates[2])
    return {
        "one_per_s": one,
        "two_per_s": two,
        "two_over_twice_one": two / (2 * one),
        "one_cpu_ms": statistics.median(costs[1]),
        "two_cpu_ms": statistics.median(costs[2]),
    }


def memory() -> dict[str, dict[str, float]]:
    """Return what a worker of each kind holds after use, in MiB."""
    sizes: dict[str, dict[str, float]] = {}
    for kind in PRELOADS:
        imports = "" if kind == "light" else f"import {kind}"
        with open_sandbox(workers=1) as sandbox:
            before = set() if kind == "light" else set(worker_memory())  # a light worker is there from the start
            [outcome] = sandbox.run(Job("", f"{imports}\ndef main_solution(): return 1\n", calls=["{}"]))
            [(rss, pss)] = [size for pid, size in worker_memory().items() if pid not in before]
        if outcome.status == "ok":  # else the package is not installed
            sizes[kind] = {"rss_mib": rss, "pss_mib": pss}
    return sizes


def sampling(count: int) -> dict[str, float]:
    """Sample the first functions of the transform responses, with ours and with an interpreter per function."""
    parsed = [(row["id"], parse_response(row["response"])) for row in rows_of("codeio", "transform_responses.jsonl")]
    functions = [(key, each) for key, each in parsed if isinstance(each, ParsedFunction)][:count]
    items = [{"id": key, "code": each.reference_code, "generator": each.input_generator} for key, each in functions]
    naive = run_way("sampler", items)
    naive_pairs = sum(len(each["pairs"]) for each in naive)
    candidates = [Candidate(each["id"], "", each["code"], each["generator"]) for each in items]
    settings, tally = Sampling(), Tally()
    with open_sandbox(workers=1) as sandbox:
        kinds = {worker_kind(each["code"] + each["generator"]) for each in items}
        sandbox.warm(*(WorkerKey(kind, seed) for kind in kinds for seed in (REFERENCE.hash_seed, CHANGED.hash_seed)))
        cpu = cpu_seconds()
        draw_and_execute(candidates, sandbox, settings, tally, together=True)
        confirm([each for each in candidates if each.outputs], sandbox, tally)
        ours_s = cpu_seconds() - cpu
    kept = [each for each in candidates if not problem_of(each, settings)]
    pairs = sum(len(each.outputs) for each in kept)
    naive_s = sum(each["cpu_s"] for each in naive)
    return {
        "functions": len(functions),
        "naive_pairs": naive_pairs,
        "naive_ms_per_pair": naive_s / naive_pairs * 1e3,
        "ours_pairs": pairs,
        "ours_ms_per_pair": ours_s / pairs * 1e3,
        "times_fewer": naive_s / naive_pairs / (ours_s / pairs),
        "calls_per_pair": sum(tally.outcomes.values()) / pairs,
    }


def extraction() -> dict[str, float]:
    """Return the rate at which answers are found in real responses."""
    texts = [row["response"] for name in RESPONSES for row in rows_of("responses", f"crux_{name}.jsonl")]
    size = sum(len(text.encode()) for text in texts)
    times: list[float] = []
    for _ in range(5):
        started = time.process_time()
        for text in texts:
            extract_answer(text, "answer")
        times.append(time.process_time() - started)
    return {"responses": len(texts), "bytes": size, "mb_per_s": size / min(times) / 1e6}


def scale() -> dict[str, Any]:
    """Run more and more light programs; return CPU per program and the most memory that this process had."""
    rows: list[dict[str, float]] = []
    for count in SCALES:
        note(f"{count:,} programs")
        with open_sandbox() as sandbox:
            cpu, started = cpu_seconds(), time.monotonic()
            failed = sum(outcomes[0].value_json != "3" for _, outcomes in sandbox.run_many(light_programs(count)))
            spent, wall_s = cpu_seconds() - cpu, time.monotonic() - started
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(
            {"programs": count, "failed": failed, "cpu_ms": spent / count * 1e3, "wall_s": wall_s, "peak_mib": peak_mib}
        )
    return {"scale": rows}


def light_programs(count: int) -> Iterator[Job]:
    """Yield different small programs."""
    for number in range(count):
        yield Job(str(number), f"def main_solution(a):\n    return a + {number} - {number - 1}\n", calls=('{"a": 2}',))


def show(figures: dict[str, Any]) -> None:
    """Print all figures as tables."""
    if "scale" in figures:
        print(f"{'programs':>10}{'failed':>8}{'CPU ms/program':>16}{'wall s':>9}{'host peak MiB':>15}")
        for row in figures["scale"]:
            print("{programs:>10,}{failed:>8}{cpu_ms:>16.2f}{wall_s:>9.1f}{peak_mib:>15.0f}".format(**row))
        return
    print(f"isolation {figures['isolation']}; CPU milliseconds per check\n")
    head = ("checks", "fresh", "bare", "ours", "fresh/ours", "fresh/bare", "bare/ours", "checks/CPU s")
    print(f"{'functions':<10}" + "".join(f"{word:>14}" for word in head))
    for name in ("all", "short", "light", "heavy"):
        row = figures[name]
        print(
            "{name:<10}{checks:>14,}{fresh_ms:>14.2f}{bare_ms:>14.3f}{ours_ms:>14.2f}{times_fewer_than_fresh:>13.1f}x"
            "{floor_times_fewer:>13,.1f}x{floor_share:>14.1%}{checks_per_cpu_s:>14,.0f}".format(name=name, **row)
        )
    for text, name in ((WORKERS, "workers"), (SAMPLED, "sampling"), (EXTRACTED, "extraction")):
        print(text.format(**figures[name]))
    print("memory per worker (MiB, RSS / PSS):", end=" ")
    print(", ".join("{0} {rss_mib:.0f} / {pss_mib:.0f}".format(kind, **row) for kind, row in figures["memory"].items()))


WORKERS = """
workers: {one_per_s:,.0f} light checks/s with one, {two_per_s:,.0f} with two ({two_over_twice_one:.0%} of twice one);
  CPU ms per check {one_cpu_ms:.2f} and {two_cpu_ms:.2f}"""
SAMPLED = """sampling: {functions} functions; ours {ours_pairs} pairs at {ours_ms_per_pair:.2f} CPU ms, an interpreter
  per function {naive_pairs} at {naive_ms_per_pair:.2f}: {times_fewer:.1f}x; {calls_per_pair:.1f} calls per pair"""
EXTRACTED = "extraction: {responses:,} responses, {mb_per_s:,.0f} MB/s"


def note(text: str) -> None:
    """Tell a person what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
