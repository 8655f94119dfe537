"""What the schema checks cost: every rule on every value of 1M rows of the largest tables.

    make bench-checks               1,000,000 rows of each
    make bench-checks ARGS=50000    fewer

Rows are made here, with texts as long as those of the method (a prompt of 2,500 characters, a response of 1,500).
"""

import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from codeio_assets.checks.tables import failing_rows_of_file
from codeio_assets.core.settings.quality import CotRules
from codeio_assets.core.tables.data import polars_schema
from codeio_assets.steps.cot_flaws import flaw_rows

TABLES = ("io_pairs", "prediction_tasks", "predictions", "verdicts", "cot_flaws", "training_sets")
TEXTS = {
    "input_json": '{"a":[1,2,3],"b":"text"}',
    "output_json": "[1,2,3]",
    "prompt": "Read the list and tell what comes of it. " * 61,
    "response": "We go through the list: the first value is smaller than the second, so both stay where they are. "
    * 15,
    "prompt_json": '[{"role":"user","content":"' + "Read the list and tell what comes of it. " * 61 + '"}]',
    "completion": "We go through the list: the first value is smaller than the second, so both stay where they are. "
    * 15,
    "direction": "output",
    "kind": "codeio",
    "split": "train",
    "feedback": "Success",
}
STATUS = {"predictions": "answered", "verdicts": "correct"}
REVIEWED = 20_000


def rows_of(table: str, rows: int) -> pl.LazyFrame:
    """Return rows of a table that break no rule; ids are 64 hexadecimal digits and differ."""
    numbers = pl.LazyFrame({"n": range(rows)})
    digits = pl.col("n").cast(pl.String).str.zfill(64)
    columns: list[pl.Expr] = []
    for name, kind in polars_schema(table).items():
        value: pl.Expr = pl.lit(TEXTS.get(name, STATUS.get(table, "x") if name == "status" else "x"))
        if name.endswith(("_id", "_sha256", "request_key")) or name == "request_key":
            value = digits
        elif kind == pl.Int64:
            value = pl.lit(1, dtype=pl.Int64)
        elif kind == pl.Boolean:
            value = pl.lit(value=False)
        columns.append(value.alias(name))
    return numbers.select(columns)


def main() -> None:
    """Make the tables one after the other, check them and print seconds."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{'table':<20}{'rows':>12}{'wall s':>9}{'CPU s':>9}{'rows per CPU s':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for table in TABLES:
            path = Path(folder) / f"{table}.parquet"
            rows_of(table, rows).sink_parquet(path, compression="zstd", row_group_size=32_768)
            started, cpu = time.perf_counter(), time.process_time()
            failures = failing_rows_of_file(table, path)
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu
            if failures:
                raise SystemExit(f"{table}: {failures[0]}")
            print(f"{table:<20}{rows:>12,}{wall:>9.1f}{cpu:>9.1f}{rows / cpu:>16,.0f}", flush=True)
            path.unlink()
    made = rows_of("predictions", min(rows, REVIEWED)).collect()
    code = pl.DataFrame(
        {"function_id": made["function_id"], "reference_code": ["def main_solution(a): return a"] * len(made)}
    )
    cpu = time.process_time()
    flaw_rows(code, made, None, CotRules.model_validate({}))
    cpu = time.process_time() - cpu
    print(f"\nchains of thought: {1_000 * cpu / len(made):.2f} ms of CPU each (1,500 characters)")


if __name__ == "__main__":
    main()
