"""The tutorial works as it is written: files and commands, in their order, in a fresh folder, to the training set.

What stands for the reader's own: four files of the bundled sample for `/data/scripts`, its conversations, a server that
gives the recorded answers, and a home of its own. Training is the last command and takes minutes; other tests train.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer

PAGE = (INSTALLED_ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = ("dynamic/knapsack.py", "logic/queens.py", "words/roman.py", "numbers/perfect.py")
TRAINS = "codeio make --recipe ours"
SERVER = "http://127.0.0.1:8000/v1"
SAVED_AS = {"sources": "sources.yaml", "extends": "recipes/ours.yaml"}
"""The first word of a block in YAML -> the file that the page says it is."""


def recorded_answers() -> dict[str, str]:
    """Return conversation, as JSON -> recorded answer."""
    lines = (INSTALLED_ROOT / "samples" / "recorded" / "responses.jsonl").read_text("utf-8").splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {said(record["request"]["messages"]): record["response"]["text"] for record in records}


def said(messages: list[dict[str, Any]]) -> str:
    return json.dumps([(message["role"], message["content"]) for message in messages])


def as_written(text: str, folder: Path, url: str) -> str:
    """Put the reader's own places in a block."""
    return text.replace("/data/", f"{folder}/data/").replace(SERVER, url)


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    (tmp_path / "data" / "scripts").mkdir(parents=True)
    for name in FILES:
        shutil.copy(INSTALLED_ROOT / "samples" / "puzzles_and_games" / name, tmp_path / "data" / "scripts")
    shutil.copy(INSTALLED_ROOT / "samples" / "instruct.jsonl", tmp_path / "data" / "chats.jsonl")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "codeio").write_text(f'#!/bin/sh\nexec {sys.executable} -m codeio_assets.cli "$@"\n')
    (commands / "codeio").chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_tutorial_works_as_it_is_written(reader: Path) -> None:
    known = recorded_answers()

    def from_the_record(asked: dict[str, Any], _before: int) -> Act:
        return answer(known.get(said(asked["messages"]), "I do not know."))

    own = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_"))}
    own |= {"HOME": str(reader), "PATH": f"{reader}/bin:{os.environ['PATH']}", "PYTHONPATH": str(INSTALLED_ROOT)}
    project, ran = reader / "my_project", list[str]()
    with StubServer(from_the_record, models=("Qwen/Qwen2.5-Coder-7B-Instruct",)) as server:
        setup = f"cd {reader}\n"
        for language, block in BLOCK.findall(PAGE):
            text = as_written(block, reader, server.base_url)
            if language == "yaml":
                (project / SAVED_AS[text.split(":")[0]]).write_text(text)
            elif not language and text.strip() != TRAINS:
                lines = [line.removeprefix("$ ") for line in text.splitlines()]
                commands = [line for line in lines if line.split()[0] in {"codeio", "cd", "export"}]
                shown = [line for line in lines if line not in commands]
                told = run("set -e\n" + setup + "\n".join(commands), own)
                assert told.splitlines() == shown or not shown, told
                setup += "".join(f"{line}\n" for line in commands if not line.startswith("codeio"))
                ran += commands
    assert {line.split()[1] for line in ran if line.startswith("codeio")} >= {"init", "shards", "try", "make", "export"}
    samples = list((project / "ours_set" / "data" / "stage1").glob("*.parquet"))
    assert samples, "no sample ended right, and the page promises a training set"
    assert TRAINS in PAGE


def run(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
