"""What becomes of the real transform responses: functions kept, rejections, and what a naive sampler would have kept.

Samples ../shared/data/codeio/transform_responses.jsonl with `codeio sample`'s engine, executes every stored pair again
under a third hash seed, clock and random state, and does the same with the pairs of a naive sampler (one interpreter
per function, input and output stored after the call, no check of determinism). `make sampling-report`.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from execution_material import cpu_seconds, data_file, rows_of
from execution_ways import run_way

from codeio_assets.batch.lines import read_lines, writing
from codeio_assets.batch.sampling import Outputs, ResponseLine, sample_responses
from codeio_assets.core.method.transform import ParsedFunction, parse_response
from codeio_assets.core.settings.project import Sampling
from codeio_assets.core.values.canonical import same_json, written_json
from codeio_assets.sandbox import Job, Sandbox, Variant, open_sandbox

THIRD = Variant(hash_seed=12, random_seed=99, clock_s=1_234_567_890.0)
Pairs = dict[str, list[tuple[str, str]]]


def main() -> None:
    """Sample, execute again, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first N responses")
    parser.add_argument("--without-naive", action="store_true", help="only our own sampling")
    options = parser.parse_args()
    rows = rows_of("codeio", "transform_responses.jsonl")[: options.limit]
    parsed = {row["id"]: parse_response(row["response"]) for row in rows}
    functions = {key: each for key, each in parsed.items() if isinstance(each, ParsedFunction)}
    with open_sandbox() as sandbox:
        figures: dict[str, Any] = {"responses": len(rows), "functions_parsed": len(functions)}
        figures["ours"] = ours(rows, functions, sandbox)
        if not options.without_naive:
            figures["naive"] = naive(functions, sandbox)
    json.dump(figures, sys.stdout, indent=1)
    print()


def ours(rows: list[dict[str, Any]], functions: dict[str, ParsedFunction], sandbox: Sandbox) -> dict[str, Any]:
    """Sample with the engine of `codeio sample`, up to 10 pairs per function."""
    cpu = cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        names = ("functions", "pairs", "rejections")
        paths = [Path(folder, f"{name}.jsonl") for name in names]
        taken = Path(folder, "responses.jsonl")
        taken.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with writing(paths[0]) as kept, writing(paths[1]) as pairs, writing(paths[2]) as rejections:
            outputs = Outputs(kept, pairs, rejections)
            reasons = sample_responses(read_lines(taken, ResponseLine), sandbox, Sampling(), 10, outputs)
        stored: Pairs = {}
        for row in map(json.loads, paths[1].open()):
            stored.setdefault(row["id"], []).append((written_json(row["input"]), written_json(row["output"])))
    cpu_s = cpu_seconds() - cpu
    return {"cpu_s": round(cpu_s, 1), "rejections": dict(reasons.most_common())} | again(stored, functions, sandbox)


def naive(functions: dict[str, ParsedFunction], sandbox: Sandbox) -> dict[str, Any]:
    """Sample as the public scripts do; functions that raise once give nothing."""
    items = [
        {"id": key, "code": each.reference_code, "generator": each.input_generator} for key, each in functions.items()
    ]
    answers = run_way("sampler", items)
    stored: Pairs = {
        each["id"]: [(written_json(pair["input"]), written_json(pair["output"])) for pair in each["pairs"]]
        for each in answers
        if len(each["pairs"]) > 1
    }
    constant = sum(len({output for _, output in pairs}) == 1 for pairs in stored.values())
    cpu_s = round(sum(each["cpu_s"] for each in answers), 1)
    return {"cpu_s": cpu_s, "constant_functions": constant} | again(stored, functions, sandbox)


def again(stored: Pairs, functions: dict[str, ParsedFunction], sandbox: Sandbox) -> dict[str, Any]:
    """Execute stored pairs in new processes, and count those that give another output."""
    jobs = (
        Job(key, functions[key].reference_code, calls=tuple(given for given, _ in pairs), variant=THIRD)
        for key, pairs in stored.items()
    )
    wrong: Counter[str] = Counter()
    for job, outcomes in sandbox.run_many(jobs):
        for (_, output), outcome in zip(stored[job.job_id], outcomes, strict=True):
            wrong[job.job_id] += not same_json(outcome.value_json, output)
    pairs, bad = sum(map(len, stored.values())), sum(wrong.values())
    return {
        "functions_kept": len(stored),
        "pairs": pairs,
        "pairs_that_do_not_reproduce": bad,
        "functions_with_such_pairs": len(+wrong),
        "reproduced_ratio": round(1 - bad / pairs, 6) if pairs else 1.0,
    }


if __name__ == "__main__":
    data_file("codeio", "transform_responses.jsonl")
    main()
