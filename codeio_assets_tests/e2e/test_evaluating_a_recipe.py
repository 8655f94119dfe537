"""`codeio evaluate RECIPE` on real checkpoints, of a model with random weights: a part, a kill, the whole."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from codeio_assets.store import Warehouse
from codeio_assets_tests.e2e.older_project import OlderProject, unpack
from codeio_assets_tests.llm.vllm.fake import fake_vllm

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "benchmarks"
SETTINGS = "folder: bench\nbenchmarks: [gsm8k, gpqa, leetcode_o]\nmax_new_tokens: 24\nbatch_size: 1\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OlderProject:
    found = unpack(tmp_path_factory.mktemp("evaluated"))
    shutil.copytree(SAMPLES, found.root / "bench")
    (found.root / "benchmarks.yaml").write_text(SETTINGS)
    return found


def answered(project: OlderProject) -> list[tuple[str, str]]:
    """Return (weights, question) of every answer that any run was given."""
    files = sorted((project.home / "benchmarks" / "answers").glob("*.jsonl"))
    lines = [(path.stem, line) for path in files for line in path.read_text().splitlines(keepends=True)]
    return [(stem, json.loads(line)["item_id"]) for stem, line in lines if line.endswith("\n")]


def table(project: OlderProject) -> Counter[str]:
    """Return how many answers the table has, per benchmark."""
    store = Warehouse(project.home / "warehouse")
    questions = store.read("benchmark_questions")
    return Counter(store.read("benchmark_answers", "demo").join(questions, on="item_id")["benchmark"])


def test_a_part_then_a_killed_run_then_the_whole(project: OlderProject) -> None:
    first = project.codeio("evaluate", "demo", "--benchmark", "gsm8k", "--limit", "1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert table(project) == {"gsm8k": 3}
    assert re.search(r"^  gsm8k +base .*, stage1 .*, stage2 .*; 1 question\(s\)$", first.stdout, re.MULTILINE)

    _killed_while_asking(project, more_than=3)
    so_far = answered(project)
    assert len(so_far) > 3

    whole = project.codeio("evaluate", "demo")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert table(project) == {"gsm8k": 9, "gpqa": 6, "leetcode_o": 24}
    assert max(Counter(answered(project)).values()) == 1, "a question was asked twice"
    assert set(so_far) < set(answered(project))

    n_asked = len(answered(project))
    part = project.codeio("evaluate", "demo", "--benchmark", "bbh_en", "--limit", "2")
    assert part.returncode == 0, part.stdout + part.stderr
    assert len(answered(project)) == n_asked + 6
    assert table(project) == {"gsm8k": 9, "gpqa": 6, "leetcode_o": 24, "bbh_en": 6}, "the others stay"
    assert "bbh_en" in (project.home / "reports" / "results.csv").read_text()
    assert "benchmarks" in project.codeio("status").stdout.partition("out of date: benchmark_answers")[2]


def test_private_questions_are_in_no_report_and_in_no_preview(project: OlderProject) -> None:
    said = [line.encode()[:40] for line in _gpqa_questions()]
    written = [path for name in ("reports", "dagster") for path in (project.home / name).rglob("*") if path.is_file()]
    assert len(written) > 3
    for path in written:
        content = path.read_bytes()
        assert not [text for text in said if text in content], path


def test_checkpoints_are_asked_behind_vllm_servers(project: OlderProject, tmp_path: Path) -> None:
    given = yaml.safe_load((project.root / "codeio.yaml").read_text())
    given["chat"]["vllm"] = {"python": str(fake_vllm(tmp_path))}
    (project.root / "codeio.yaml").write_text(yaml.safe_dump(given))
    (project.root / "benchmarks.yaml").write_text(f"{SETTINGS}generation: vllm\n")
    asked = project.codeio("evaluate", "demo", "--benchmark", "gsm8k", "--limit", "1")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    rows = Warehouse(project.home / "warehouse").read("benchmark_answers", "demo").sort("model").to_dicts()
    weights = [row["response"].partition(" was asked: ")[0] for row in rows]
    assert [row["model"] for row in rows] == ["base", "stage1", "stage2"], "answers of transformers are not these"
    assert [Path(path).name for path in weights[1:]] == ["stage1", "stage2"]


def _gpqa_questions() -> list[str]:
    with (SAMPLES / "gpqa" / "gpqa_main.csv").open(newline="") as file:
        return [row["Question"] for row in csv.DictReader(file)]


def _killed_while_asking(project: OlderProject, more_than: int) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_"))}
    own = {"CODEIO_PROJECT": str(project.root), "CODEIO_HOME": str(project.home)}
    command = [str(Path(sys.executable).with_name("codeio")), "evaluate", "demo"]
    process = subprocess.Popen(command, env=clean | own, cwd=project.root, start_new_session=True)
    try:
        end = time.monotonic() + 400
        while len(answered(project)) <= more_than and time.monotonic() < end:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
