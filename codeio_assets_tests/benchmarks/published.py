"""Real responses with the verdicts of the benchmarks' own scorers, which lie beside the project and not in it."""

import gzip
import json
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SCORED = SHARED / "scored_responses"
DATA = SHARED / "benchmarks"

needs_published = pytest.mark.skipif(
    not SCORED.is_dir() or not DATA.is_dir(), reason=f"needs {SCORED} and {DATA}: published responses with verdicts"
)


def rows(name: str) -> list[dict]:
    path = SCORED / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return [json.loads(line) for line in lines]
