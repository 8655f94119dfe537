"""Rows of training_sets become conversations in the order of their ids, whatever their text and order in the files."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl

from codeio_assets.training.process.samples import Sample, read_samples, stage_rows, write_conversations

ODD = ["plain", "", "nul \x00 inside", "line\nand \u2028 other", "emoji 🧮 and \"quotes\" '$x'", "x" * 100_000]


def test_rows_are_sorted_selected_and_keep_their_text(make_job, tmp_path: Path) -> None:
    rows = [
        {
            "sample_id": f"{number:04d}",
            "stage": 1 + number % 2,
            "split": "train" if number % 3 else "validation",
            "prompt_json": json.dumps([{"role": "user", "content": ODD[number % len(ODD)]}]),
            "completion": ODD[(number + 1) % len(ODD)],
        }
        for number in range(60)
    ]
    shuffled = pl.DataFrame(rows[::-1])
    for part in (0, 1):
        shuffled.gather_every(2, part).write_parquet(tmp_path / f"{part}.parquet")
    job = replace(make_job(), data_files=(str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")))
    wanted = [row for row in rows if row["stage"] == job.stage and row["split"] == "train"]
    assert write_conversations(stage_rows(job, "train"), tmp_path / "out.parquet") == len(wanted)
    assert [*read_samples(tmp_path / "out.parquet")] == [
        Sample(row["sample_id"], json.loads(row["prompt_json"]), row["completion"]) for row in wanted
    ]
    (first,) = stage_rows(job, "train", limit=3)
    assert first["sample_id"].to_list() == [row["sample_id"] for row in wanted[:3]]
