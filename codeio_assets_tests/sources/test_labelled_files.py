"""Raw files with their right values: read, registered and filtered together, as a source of a project is."""

import json
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.settings.project import Source, Sources
from codeio_assets.core.tables.data import frame
from codeio_assets.sources.shards import ShardRegistry
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.raw_code_files import ingest_shard

CASES = Path(__file__).parents[1] / "cases" / "data_side.jsonl"
ARGUED = {"R_py0": "newer_syntax"}
"""Type parameters are no code for the Python that runs the programs; the reason names the version that reads them."""
CUT_SHORT = {"R_r10_licence_doc_a", "R_r10c_header_a"}
"""The case file holds only the beginning of these, which is no Python."""
ORIGINALS = {
    "r16_copy_a.py": (
        "def total(prices, rate):\n    result = 0.0\n    for price in prices:\n        result += price * (1 + rate)\n"
        "    return round(result, 2)\n\n\ndef mean(values):\n    return sum(values) / len(values) if values else None\n"
    ),
}
"""Files that a case is a copy of and that are no case themselves."""


def cases() -> list[dict[str, Any]]:
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [case for case in map(json.loads, lines) if case["area"] == "raw files" and case["id"] not in CUT_SHORT]


def named(case: dict[str, Any]) -> str:
    return case["id"].removeprefix("R_")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    base = tmp_path_factory.mktemp("sources")
    folder = base / "files"
    folder.mkdir()
    rows: list[dict[str, str]] = []
    for name, text in ORIGINALS.items():
        (folder / name).write_text(text, encoding="utf-8")
    for case in cases():
        if "latin-1" in case["note"]:
            (folder / f"{named(case)}.py").write_bytes(case["input"].encode("latin-1"))
        else:
            copied = case["input"].removeprefix("\ufeff")
            rows += [{"path": "q01_bom", "content": "\ufeff" + copied}] if "bom" in case["id"] else []
            rows.append({"path": named(case), "content": case["input"]})
    (base / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    sources = Sources.model_validate(
        {
            "sources": {
                "files": {"kind": "directory", "path": "files"},
                "rows": {"kind": "jsonl", "path": "rows.jsonl", "fields": {"content": "content", "path": "path"}},
            }
        }
    )
    found: dict[str, tuple[str, str]] = {}
    for shard in ShardRegistry(base / "shards").register_new(sources, base):
        source: Source = sources.sources[shard.source]
        read = ingest_shard(shard, source, base)
        kept = select_eligible(read.tables["raw_code_files"], frame("file_labels", []), shard, source.filters)
        paths = {row["file_id"]: row["path"] for row in read.tables["raw_code_files"].to_dicts()}
        found |= {
            row["path"].removesuffix(".py"): ("eligible", "") for row in kept.tables["eligible_code_files"].to_dicts()
        }
        for result, table in ((read, "raw_code_files_rejections"), (kept, "eligible_code_files_rejections")):
            for row in result.tables[table].to_dicts():
                name = paths.get(row["id"]) or row["detail"].split(": ", 1)[0]
                name = rows[int(name.partition(":")[2]) - 1]["path"] if name.startswith("rows.jsonl:") else name
                found[name.removesuffix(".py")] = (row["reason"], row["detail"])
    return found


@pytest.mark.parametrize("case", cases(), ids=named)
def test_a_raw_file_comes_to_its_right_end(case: dict[str, Any], outcomes: dict[str, tuple[str, str]]) -> None:
    reason, detail = outcomes[named(case)]
    assert reason in ARGUED.get(case["id"], case["right"]).split("|"), detail
    assert reason != "newer_syntax" or "need Python 3.12" in detail
