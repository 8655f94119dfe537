"""The machine code of the sandbox is what its assembly says, and moves the clock for everybody."""

import json
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from codeio_assets.sandbox import Job, Variant, workers
from codeio_assets.sandbox.inside.moved_clock import MACHINES
from codeio_assets.sandbox.pool import WorkerPool

SOURCES = Path(workers.__file__).with_name("machine_code")
PREFIX = {"x86_64": ("", "x86_64-linux-gnu-"), "aarch64": ("aarch64-linux-gnu-", "")}
ASK = """
import datetime, sqlite3, time
import numpy as np, pandas as pd
def main_solution():
    today = sqlite3.connect(":memory:").execute("select date('now')").fetchone()[0]
    return [
        str(np.datetime64("today")), str(np.datetime64("now"))[:10], str(pd.Timestamp.now())[:10],
        str(pd.to_datetime("today"))[:10], today, time.strftime("%Y-%m-%d"), str(datetime.date.today()),
        time.strftime("%Y-%m-%d", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME))),
        type(datetime.datetime.now()) is datetime.datetime, time.process_time() < 5,
    ]
"""


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_the_bytes_are_those_of_the_assembly(machine: str, tmp_path: Path) -> None:
    tools = [prefix for prefix in PREFIX[machine] if shutil.which(f"{prefix}as") and shutil.which(f"{prefix}objcopy")]
    tools = [prefix for prefix in tools if prefix or platform.machine() == machine]
    if not tools:
        pytest.skip(f"no assembler for {machine} here (package binutils-{machine.replace('_', '-')}-linux-gnu)")
    made, code = tmp_path / "made.o", tmp_path / "code"
    subprocess.run([f"{tools[0]}as", "-o", made, SOURCES / f"{machine}.s"], check=True)
    subprocess.run([f"{tools[0]}objcopy", "-O", "binary", "-j", ".text", made, code], check=True)
    assert code.read_bytes().hex() == MACHINES[machine].code
    names = subprocess.run([f"{tools[0]}objdump", "-t", made], check=True, capture_output=True, text=True).stdout
    places = {line.split()[-1]: int(line.split()[0], 16) for line in names.splitlines() if ".text" in line}
    for name in ("clock_gettime", "gettimeofday", "time"):
        assert places[name] == getattr(MACHINES[machine], name)
    assert places.get("flush") == MACHINES[machine].flush


def test_all_libraries_show_the_clock_that_was_set(roomy_sandbox: WorkerPool) -> None:
    for clock_s, day in ((1e9, "2001-09-09"), (1_700_000_000.0, "2023-11-14")):
        [outcome] = roomy_sandbox.run(Job("j", ASK, calls=["{}"], variant=Variant(clock_s=clock_s)))
        assert json.loads(outcome.value_json or "") == [day] * 8 + [True, True]


def test_a_clock_that_leaps_shows_what_depends_on_how_long_something_takes(roomy_sandbox: WorkerPool) -> None:
    code = """
import time
from datetime import datetime
def main_solution():
    before = time.time(), datetime.now(), time.perf_counter(), time.monotonic(), time.process_time()
    time.sleep(0.01)
    after = time.time(), datetime.now(), time.perf_counter(), time.monotonic(), time.process_time()
    return [(a - b).seconds if hasattr(a - b, "seconds") else round(a - b) for a, b in zip(after, before)]
"""
    still = Variant(clock_s=1e9)
    [quick] = roomy_sandbox.run(Job("j", code, calls=["{}"], variant=still))
    [slow] = roomy_sandbox.run(Job("j", code, calls=["{}"], variant=Variant(clock_s=1e9, clock_leap_s=1.7)))
    assert quick.value_json == "[0,0,0,0,0]"
    assert min(json.loads(slow.value_json or "")) >= 1
