"""Full and read-only disks: one line in every command that writes."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeio_assets.cli.storage_faults import storage_fault
from codeio_assets.store import Warehouse
from codeio_assets_tests.store.rows import ASSET, commit


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("The step failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/a/b"), "the disk is full (/a/b): make room (`codeio gc`"),
        (OSError(122, "Disk quota exceeded"), "the disk is full: make room"),
        (wrapped(sqlite3.OperationalError("database or disk is full")), "the disk is full: make room"),
        (OSError(30, "Read-only file system", "/a"), "cannot write (/a): the place is read-only or not yours"),
        (PermissionError(13, "Permission denied", "/a"), "cannot write (/a): the place is read-only or not yours"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot write: the place is read-only"),
        (OSError(5, "Input/output error", "/a"), "Input/output error (/a)"),
    ],
)
def test_what_is_said(error: Exception, said: str) -> None:
    line = storage_fault(error)
    assert line is not None
    assert line.startswith(said)


@pytest.mark.parametrize(
    "error", [ValueError("7"), ConnectionResetError(104, "reset"), TimeoutError(), KeyError("disk")]
)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert storage_fault(error) is None


@pytest.fixture(params=["full", "read-only"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    warehouse = Warehouse(disk / "var" / "warehouse")
    warehouse.write(ASSET, "made-0001", commit(3))
    warehouse.pin("kept", warehouse.snapshot())
    if request.param == "full":
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 4_096):
                pass
    else:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["shards", "status", "demo", "journal export --all {disk}/j.jsonl"])
def test_a_command_that_writes_says_one_line(command: str, disk: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "codeio_assets.cli", *command.format(disk=disk).split()],
        env=os.environ | {"CODEIO_HOME": str(disk / "var")}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("codeio: ")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["verify", "gc", "journal list"])
def test_a_command_that_reads_works(command: str, disk: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "codeio_assets.cli", *command.split()],
        env=os.environ | {"CODEIO_HOME": str(disk / "var")}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
