"""Rows for the store's tests: contents that can be told apart by their size."""

from typing import Any

import polars as pl

from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import sha256_hex

ASSET = "io_pairs"
SIDE_TABLE = "io_pairs_rejections"


def pairs(count: int, salt: str = "") -> pl.DataFrame:
    return frame(ASSET, [_pair(index, salt) for index in range(count)])


def rejections(count: int, detail: str = "null came out") -> pl.DataFrame:
    rows = [{"id": f"{i:06}", "source": "made", "reason": "no_output", "detail": detail} for i in range(count)]
    return frame(SIDE_TABLE, rows)


def commit(count: int) -> dict[str, pl.DataFrame]:
    """An asset's table with `count` rows and its side table with twice as many: one without the other would show."""
    return {ASSET: pairs(count), SIDE_TABLE: rejections(2 * count)}


def _pair(index: int, salt: str) -> dict[str, Any]:
    return {
        "pair_id": sha256_hex(f"{index}{salt}"),
        "function_id": sha256_hex(f"function {index // 6}"),
        "source": "made",
        "pair_index": index,
        "input_json": f'{{"n":{index}}}',
        "output_json": str(index * index),
        "is_degenerate": False,
    }
