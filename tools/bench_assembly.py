"""Measures building a training set and every report query on synthetic warehouses (`make bench-assembly`).

A warehouse of n samples has n / 3.5 functions in shards of 5,000, texts of the lengths of real ones made of random
words, and half of the first answers wrong. Each measurement is a process of its own on two threads: its wall time, CPU
time and peak memory are printed as a Markdown table.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl

from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import load_recipes
from codeio_assets.core.tables.data import polars_schema
from codeio_assets.project import Project
from codeio_assets.steps.training_sets import Assembly, assemble
from codeio_assets.store import Warehouse

RECIPE = "codeio_pp_qwen2.5-coder-7b"
FUNCTIONS_PER_SHARD = 5_000
MEMORY_LIMIT = "2500MB"
"""Of DuckDB; the Parquet writer and Python come on top."""

BASE = """
create or replace temp macro id(kind, n) as sha256(kind || n);
create or replace temp macro text_of(seed, words) as array_to_string(
    list_transform(range(words), lambda i : getvariable('words')[(1 + hash(seed, i) % 2000)::bigint]), ' '
);
create or replace temp table functions as
select
    n,
    id('function', n) as function_id,
    id('file', n) as file_id,
    $source as source,
    'owner/repo-' || n % 50_000 as repository,
    'src/module_' || n || '.py' as path,
    ['mit', 'apache-2.0', 'gpl-3.0', null][1 + n % 4] as license,
    'def main_solution(a):' || e'\\n    ' || text_of(n, 130) as code,
    text_of(n + 1, 35) as query,
    text_of(n + 2, 35) as io_description
from range($first, $last) as numbers (n);
create or replace temp table pairs as
select
    functions.*,
    k,
    id('pair', n || '-' || k) as pair_id,
    '{"a":' || n || '}' as input_json,
    '[' || n || ',' || k || ']' as output_json
from functions, range(2) as indices (k)
where k = 0 or n % 4 > 0;
create or replace temp table asked as
select
    pairs.*,
    direction,
    id('task', pair_id || direction) as task_id,
    hash(pair_id, direction) % 2 = 0 as is_right,
    query || e'\\n\\n' || io_description || e'\\n\\n' || input_json || e'\\n\\n' || code as prompt
from pairs, (values ('input'), ('output')) as directions (direction);
"""

FILE = """select file_id, source, repository, path, license, code as content, id('content', n) as content_sha256,
    length(code)::bigint as size_bytes from functions"""
PREDICTION = """id('prediction', task_id || {turn}) as prediction_id, task_id, function_id, source, direction,
    {turn}::bigint as turn, id('request', task_id || {turn}) as request_key, 'answered' as status,
    text_of(hash(task_id, {turn}), 150) as response, null::varchar as reasoning, 'stop' as finish_reason,
    'synthetic' as model_id, 500::bigint as prompt_tokens, 300::bigint as completion_tokens, 1::bigint as attempts,
    null::varchar as failure"""
VERDICT = """id('verdict', task_id || {turn}) as verdict_id, id('prediction', task_id || {turn}) as prediction_id,
    task_id, function_id, source, direction, {turn}::bigint as turn, {status} as status, '1' as predicted_json,
    null::varchar as executed_output_json, null::varchar as error_type,
    case {status} when 'correct' then 'Success' else 'The answer is not right: ' || text_of(n, 12) end as feedback,
    'default-1' as rule_version"""
FIRST = "case when is_right then 'correct' else 'wrong' end"
SECOND = "case when hash(task_id) % 7 = 0 then 'correct' else 'wrong' end"
NO_ROWS = "select '' as id, '' as source, '' as reason, '' as detail where false"

TABLES: dict[str, dict[str, str]] = {
    "raw_code_files": {"raw_code_files": FILE, "raw_code_files_rejections": NO_ROWS},
    "eligible_code_files": {
        "eligible_code_files": FILE,
        "eligible_code_files_rejections": NO_ROWS,
        "near_duplicate_groups": "select file_id, source, id('file', n - n % 3) as group_id, null::varchar as nearest, "
        "null::double as similarity, '[]' as bridged_groups_json from functions",
    },
    "unified_functions": {
        "unified_functions": """select function_id, file_id, source, repository, path, license, code as reference_code,
            io_description, 'def input_generator(): pass' as input_generator, query, '' as completed_names,
            1::bigint as attempt, id('asked', n) as request_key, 'synthetic' as model_id,
            id('prompt', 0) as prompt_sha256 from functions""",
        "unified_functions_rejections": NO_ROWS,
        "transform_attempts": """select id('attempt', n) as attempt_id, file_id, source, 1::bigint as attempt,
            id('asked', n) as request_key, 'answered' as status, null::varchar as reason, null::varchar as detail,
            'synthetic' as model_id, 900::bigint as prompt_tokens, 400::bigint as completion_tokens from functions""",
    },
    "io_pairs": {
        "io_pairs": "select pair_id, function_id, source, k as pair_index, input_json, output_json, "
        "false as is_degenerate from pairs",
        "io_pairs_rejections": NO_ROWS,
    },
    "prediction_tasks": {
        "prediction_tasks": "select task_id, pair_id, function_id, source, direction, prompt, "
        "id('prompt', 1) as prompt_sha256 from asked",
        "prediction_tasks_rejections": NO_ROWS,
    },
    "predictions": {"predictions": f"select {PREDICTION.format(turn=1)} from asked"},
    "verdicts": {"verdicts": f"select {VERDICT.format(turn=1, status=FIRST)} from asked"},
    "revised_predictions": {
        "revised_predictions": f"select {PREDICTION.format(turn=2)} from asked where not is_right",
        "revised_verdicts": f"select {VERDICT.format(turn=2, status=SECOND)} from asked where not is_right",
    },
}
CHATS = """select id('chat', n) as sample_id, 'chats' as source, '[' || json_object('content', text_of(n, 60), 'role',
    'user') || ',' || json_object('content', text_of(n + 1, 120), 'role', 'assistant') || ']' as messages_json,
    'train' as split from range($last) as numbers (n)"""


def generate(root: Path, samples: str) -> dict[str, float]:
    """Write a synthetic warehouse and return the number of its samples."""
    count = int(samples)
    warehouse = Warehouse(root)
    functions = round(count / 3.5)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            "set variable words = (select list(substr(md5(n::varchar), 1, 2 + n % 7)) from range(2000) as numbers (n))"
        )
        for number, first in enumerate(range(0, functions, FUNCTIONS_PER_SHARD)):
            source = ("codemix", "pyedu_r", "others")[number % 3]
            last = min(functions, first + FUNCTIONS_PER_SHARD)
            for statement in BASE.split(";\n"):
                values = {"source": source, "first": first, "last": last}
                used = {name: value for name, value in values.items() if f"${name}" in statement}
                connection.execute(statement, used)
            for asset, tables in TABLES.items():
                rows = {name: _rows(connection, name, query) for name, query in tables.items()}
                warehouse.write(asset, f"{source}-{number:04d}", rows)
        chats = connection.sql(CHATS, params={"last": count // 10})
        warehouse.write("instruction_data", "all", {"instruction_data": pl.DataFrame(chats)})
    return {"rows": count}


def _rows(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> pl.DataFrame:
    return pl.DataFrame(connection.sql(query)).select(list(polars_schema(table)))


def build(root: Path) -> dict[str, float]:
    """Build the training set, and return its rows and bytes."""
    warehouse = Warehouse(root, memory_limit=MEMORY_LIMIT, threads=2)
    project = Project.find()
    recipe = load_recipes(project.root / "recipes")[RECIPE]
    snapshot = warehouse.snapshot(set(warehouse.assets()) - {"training_sets"})
    result = assemble(
        Assembly.of(
            recipe,
            warehouse,
            snapshot,
            project.sql,
            phrases=Phrases.model_validate({}),
            split=Split(),
            leakage=project.benchmarks.leakage,
        )
    )
    manifest = warehouse.write("training_sets", RECIPE, result.streams)
    table = manifest.tables["training_sets"]
    return {"rows": table.rows, "mib": table.bytes / 2**20}


def report(root: Path, name: str) -> dict[str, float]:
    """Run one query of sql/reports and return the number of its rows."""
    warehouse = Warehouse(root, memory_limit=MEMORY_LIMIT, threads=2)
    with warehouse.connect() as connection:
        return {"rows": len(connection.sql(Project.find().sql(f"reports/{name}.sql")).fetchall())}


def measure(*arguments: str) -> dict[str, float]:
    """Run a part of this file in a process of its own and return what it says and what it took."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    figures: dict[str, float] = json.loads(output)
    cpu = usage.ru_utime + usage.ru_stime
    return figures | {"wall_s": time.monotonic() - started, "cpu_s": cpu, "peak_mib": usage.ru_maxrss / 1024}


def main() -> None:
    """Generate, build, query; print a table per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[35_000, 350_000, 3_500_000])
    parser.add_argument("--dir", type=Path, default=Path("var/bench-assembly"))
    parser.add_argument("--keep", action="store_true", help="keep the warehouses")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        parts: dict[str, Callable[..., object]] = {"generate": generate, "build": build, "report": report}
        name, root, *rest = options.part
        print(json.dumps(parts[name](Path(root), *rest)))
        return
    names = sorted(path.stem for path in (Project.find().root / "sql" / "reports").glob("*.sql"))
    print("| samples | what | wall s | CPU s | peak MiB | rows |\n|---|---|---|---|---|---|", flush=True)
    for samples in options.samples:
        root = options.dir / str(samples)
        shutil.rmtree(root, ignore_errors=True)
        _show(samples, "generating", measure("--part", "generate", str(root), str(samples)))
        _show(samples, "training set", measure("--part", "build", str(root)))
        for name in names:
            _show(samples, f"report {name}", measure("--part", "report", str(root), name))
        if not options.keep:
            shutil.rmtree(root)


def _show(samples: int, what: str, figures: dict[str, float]) -> None:
    numbers = f"{figures['wall_s']:.1f} | {figures['cpu_s']:.1f} | {figures['peak_mib']:,.0f} | {figures['rows']:,.0f}"
    print(f"| {samples:,} | {what} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
