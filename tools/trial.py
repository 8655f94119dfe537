"""Trial on real input: transform responses to prediction tasks in several shards, raw files to eligible ones.

Reads ../shared/data/codeio, writes var/trial, prints the funnel, the rejections, times and rates, and re-executes
every stored pair in fresh workers under a third hash seed. `make trial`; options: `python tools/trial.py --help`.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from codeio_assets.core.settings.project import Fields, Sampling, Source, Sources
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import same_json
from codeio_assets.project import Project
from codeio_assets.sandbox import Job, Sandbox, Variant, open_sandbox
from codeio_assets.sources import ShardRegistry
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.io_pairs import sample_pairs
from codeio_assets.steps.parsing import parse_responses
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.raw_code_files import ingest_shard
from codeio_assets.steps.result import StepResult
from codeio_assets.store import Warehouse

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "codeio"
SOURCE = "reasoning_gym"


def main() -> None:
    """Run the trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first N responses")
    parser.add_argument("--shard-size", type=int, default=250)
    parser.add_argument("--pairs", type=int, default=10)
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is absent: the trial needs the shared test material")
    project = Project.find()
    home = project.home / "trial"
    shutil.rmtree(home, ignore_errors=True)
    warehouse = Warehouse(home / "warehouse")
    responses = [json.loads(line) for line in (DATA / "transform_responses.jsonl").open()][: options.limit]
    started, cpu = time.monotonic(), os.times()
    funnel: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with open_sandbox() as sandbox:
        print(f"isolation {sandbox.isolation}; {len(responses)} responses, shards of {options.shard_size}", flush=True)
        for start in range(0, len(responses), options.shard_size):
            shard = responses[start : start + options.shard_size]
            key = f"{SOURCE}-{start // options.shard_size:04d}"
            run_shard(project, warehouse, sandbox, key, shard, options.pairs, funnel, reasons)
        seconds = time.monotonic() - started
        now = os.times()
        used = sum(now[:4]) - sum(cpu[:4])
        rate = len(responses) / seconds
        print(f"{seconds:.0f} s wall, {used:.0f} s CPU (host and reaped children), {rate:.1f} responses/s")
        verify(warehouse, sandbox)
    for name, count in funnel.items():
        print(f"  {name:<24}{count:>8,}")
    print("rejections: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()))
    ingest_raw(home)


def run_shard(
    project: Project,
    warehouse: Warehouse,
    sandbox: Sandbox,
    key: str,
    responses: list[dict[str, str]],
    pairs: int,
    funnel: Counter[str],
    reasons: Counter[str],
) -> None:
    """Take one shard from responses to tasks."""
    started = time.monotonic()
    functions = parse_responses(((row["id"], row["response"]) for row in responses), SOURCE, "recorded elsewhere")
    sampled = sample_pairs(functions.tables["unified_functions"], sandbox, Sampling(), pairs)
    prompts = {direction: project.prompt(f"predict_{direction}") for direction in ("input", "output")}
    tables = functions.tables["unified_functions"], sampled.tables["io_pairs"]
    tasks = build_prediction_tasks(*tables, prompts)
    for asset, result in (("unified_functions", functions), ("io_pairs", sampled), ("prediction_tasks", tasks)):
        warehouse.write(asset, key, result.tables)
        reasons.update(result.dropped_by_reason)
    funnel.update(
        {
            "responses": len(responses),
            "functions parsed": len(tables[0]),
            "functions with pairs": sampled.items_out,
            "pairs": len(tables[1]),
            "tasks": len(tasks.tables["prediction_tasks"]),
        }
    )
    print(f"  {key}: {summary(sampled)}  {time.monotonic() - started:.0f} s", flush=True)


def summary(result: StepResult) -> str:
    """Put a stage's account in one line."""
    return f"{result.items_in} in, {result.items_out} out; outcomes {result.info.get('outcomes_by_status')}"


def verify(warehouse: Warehouse, sandbox: Sandbox) -> None:
    """Execute every stored pair again under a hash seed, clock and random state that sampling did not use."""
    code = dict(warehouse.read("unified_functions", columns=["function_id", "reference_code"]).iter_rows())
    expected: dict[str, dict[str, str]] = {}
    for row in warehouse.read("io_pairs").to_dicts():
        expected.setdefault(row["function_id"], {})[row["input_json"]] = row["output_json"]
    variant = Variant(hash_seed=12, random_seed=99, clock_s=1_234_567_890.0)
    jobs = (Job(key, code[key], calls=tuple(pairs), variant=variant) for key, pairs in expected.items())
    right = wrong = 0
    for job, outcomes in sandbox.run_many(jobs):
        for text, outcome in zip(job.calls, outcomes, strict=True):
            same = same_json(outcome.value_json, expected[job.job_id][text])
            right, wrong = right + same, wrong + (not same)
            if not same:
                print(f"  does not reproduce: {job.job_id[:12]} {text[:80]} {outcome.status}")
    print(f"re-executed: {right} of {right + wrong} stored pairs give their output")


def ingest_raw(home: Path) -> None:
    """Take the real raw files to eligible ones, in shards of 250."""
    fields = Fields(repository="repo_name")
    source = Source(kind="jsonl", path=Path("raw_code.jsonl"), shard_size=250, fields=fields)
    sources = Sources(sources={"pyedu": source})
    registry = ShardRegistry(home / "shards")
    started = time.monotonic()
    reasons: Counter[str] = Counter()
    kept = total = 0
    for shard in registry.register_new(sources, DATA):
        raw = ingest_shard(shard, source, DATA)
        eligible = select_eligible(raw.tables["raw_code_files"], frame("file_labels", []), shard, source.filters)
        total += len(shard.items)
        kept += eligible.items_out
        reasons.update(raw.dropped_by_reason)
        reasons.update(eligible.dropped_by_reason)
    print(f"raw files: {total} in, {kept} eligible, {dict(reasons)}  {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
