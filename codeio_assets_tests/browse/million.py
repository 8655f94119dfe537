# ruff: noqa: E501  (queries read better whole)
"""A warehouse of many synthetic tasks, made by DuckDB: what lists must stay fast on.

Run by hand: `python -m codeio_assets_tests.browse.million FOLDER [TASKS]`.
"""

import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from codeio_assets.core.tables.data import frame
from codeio_assets.store import Warehouse
from codeio_assets.store.parquet import arrow_schema

TASKS_PER_FUNCTION = 12
SHARD = 12_000
WORDS = [
    "heap",
    "stack",
    "queue",
    "graph",
    "tree",
    "prime",
    "digit",
    "matrix",
    "string",
    "bracket",
    "window",
    "cache",
    "token",
    "parser",
    "lattice",
]

BASE = """
create or replace temp table t as
select
    i,
    i // 12 as f,
    i // 2 as p,
    sha256('task' || i) as task_id,
    sha256('function' || (i // 12)) as function_id,
    sha256('file' || (i // 12)) as file_id,
    sha256('pair' || (i // 2)) as pair_id,
    sha256('answer' || i) as prediction_id,
    'src' || (hash(i // $shard) % 5) as source,
    if(i % 2 = 0, 'input', 'output') as direction,
    hash('x' || i) % 100 as luck,
    40 + hash('l' || i) % 900 as tokens
from range($start, $stop) r(i)
"""

TABLES = {
    "raw_code_files": """select distinct file_id, source, 'org/repo' || f % 50 as repository, 'pkg/m' || f || '.py' as path,
        if(f % 7 = 0, null, 'mit') as license, 'def f' || f || '(a):' || chr(10) || '    return a * ' || f as content,
        sha256('c' || f) as content_sha256, 40::bigint as size_bytes from t order by 1""",
    "unified_functions": """select distinct function_id, file_id, source, 'org/repo' || f % 50 as repository,
        'pkg/m' || f || '.py' as path, if(f % 7 = 0, null, 'mit') as license,
        'def main_solution(a, b):' || chr(10) || '    return (a * ' || f || ' + b) % 97' as reference_code,
        'Input: a (int), b (int). Output: int.' as io_description,
        'def input_generator():' || chr(10) || '    return {}' as input_generator,
        'Given a ' || $words[(1 + hash('w' || f) % len($words))::bigint] || ' and a ' || $words[(1 + hash('v' || f) % len($words))::bigint]
        || ', what is result number ' || f || '?' as query, '' as completed_names, 1::bigint as attempt,
        sha256('rk' || f) as request_key, 'teacher' as model_id, sha256('p') as prompt_sha256 from t order by 1""",
    "io_pairs": """select distinct pair_id, function_id, source, (p % 6)::bigint as pair_index,
        '{"a":' || p || ',"b":2}' as input_json, (p % 97)::varchar as output_json, false as is_degenerate
        from t order by 1""",
    "prediction_tasks": """select task_id, pair_id, function_id, source, direction,
        repeat('The question in words, and the code below it. ', 8) || i as prompt,
        sha256('prompt') as prompt_sha256 from t order by 1""",
    "predictions": """select prediction_id, task_id, function_id, source, direction, 1::bigint as turn,
        sha256('key' || i) as request_key, if(luck = 99, 'truncated', 'answered') as status,
        'First ' || $words[(1 + hash('r' || i) % len($words))::bigint] || ' is looked at; ' ||
        repeat('then the next value follows from it. ', 6) || '{"' || direction || '": ' || i || '}' as response,
        null::varchar as reasoning, 'stop' as finish_reason, if(f % 3 = 0, 'small', 'large') as model_id,
        300::bigint as prompt_tokens, tokens::bigint as completion_tokens, 1::bigint as attempts,
        null::varchar as failure from t order by 1""",
    "verdicts": """select sha256('verdict' || i) as verdict_id, prediction_id, task_id, function_id, source, direction,
        1::bigint as turn, case when luck < 50 then 'correct' when luck < 80 then 'wrong' when luck < 95 then 'no_answer'
        when luck < 98 then 'exception' else 'timeout' end as status, '7' as predicted_json,
        null::varchar as executed_output_json, null::varchar as error_type, 'told' as feedback,
        'default-1' as rule_version from t order by 1""",
}


def fill_synthetic(warehouse: Warehouse, tasks: int) -> Warehouse:
    """Commit that many tasks, in shards of 12,000."""
    connection = duckdb.connect(config={"threads": 2})
    for number, start in enumerate(range(0, tasks, SHARD)):
        part = f"synthetic-{number:04}"
        connection.execute(BASE, {"shard": SHARD, "start": start, "stop": min(start + SHARD, tasks)})
        for table, query in TABLES.items():
            params = {"words": WORDS} if "$words" in query else {}
            rows: pa.Table = connection.sql(query, params=params).to_arrow_table().cast(arrow_schema(table))
            more = {f"{table}_rejections": frame(f"{table}_rejections", [])} if table == "raw_code_files" else {}
            warehouse.write(table, part, {table: rows.to_reader(), **more})
    return warehouse


if __name__ == "__main__":
    started = time.monotonic()
    fill_synthetic(Warehouse(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
    print(f"{time.monotonic() - started:.0f} s")
