"""`codeio run` on many programs, some of them hostile: what it answers, its memory, and what it leaves behind.

`make soak` runs 10,000 with 5% hostile ones; a test runs a small number. `python -m codeio_assets_tests.batch.soak`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from codeio_assets_tests.sandbox.abuses import ABUSES

HOSTILE = [abuse for abuse in ABUSES if "output_too_large" not in abuse.statuses]  # which the command allows more of
LIMITS = ("--cpu-seconds", "1", "--wall-seconds", "2", "--memory-mib", "64")
COMMAND = (sys.executable, "-c", "from codeio_assets.cli import main; main()")


@dataclass(slots=True)
class Soaked:
    """What was seen of one run; `memory_mib` is the command's own, over time, `below_mib` that of its workers."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    memory_mib: list[float] = field(default_factory=list[float])
    below_mib: list[float] = field(default_factory=list[float])
    left_files: list[str] = field(default_factory=list[str])
    left_processes: list[str] = field(default_factory=list[str])
    wall_s: float = 0.0

    def early_and_late_mib(self) -> tuple[float, float]:
        """Return the most memory in the second tenth of the run, and in the last."""
        tenth = max(len(self.memory_mib) // 10, 1)
        return max(self.memory_mib[tenth : 2 * tenth] or self.memory_mib), max(self.memory_mib[-tenth:])


def soak(folder: Path, programs: int, hostile_every: int) -> Soaked:
    """Run programs, of which one in `hostile_every` is hostile, with a temporary directory of their own."""
    given, out, temporary = folder / "programs.jsonl", folder / "out.jsonl", folder / "tmp"
    temporary.mkdir()
    with given.open("w") as file:
        for number in range(programs):
            file.write(json.dumps(_program(number, hostile_every)) + "\n")
    soaked, started = Soaked(), time.monotonic()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([*COMMAND, "run", str(given), "--out", str(out), *LIMITS], env=environment) as running:
        seen = _watch(psutil.Process(running.pid), soaked)
    soaked.wall_s = time.monotonic() - started
    assert running.returncode == 0
    with out.open() as lines:
        for number, line in enumerate(lines):
            _check(number, json.loads(line), hostile_every, soaked)
    assert number == programs - 1
    soaked.left_files = [path.name for path in temporary.iterdir()]
    soaked.left_processes = [str(process) for process in seen if process.is_running()]
    return soaked


def _program(number: int, hostile_every: int) -> dict[str, object]:
    code = f"def main_solution(a):\n    return [a, {number}]\n"
    if number % hostile_every == 0:
        code = HOSTILE[number // hostile_every % len(HOSTILE)].code
    return {"id": number, "code": code, "calls": [{"a": 1}]}


def _watch(command: psutil.Process, soaked: Soaked) -> set[psutil.Process]:
    """Note memory until the command ends; return every process that was seen below it."""
    seen: set[psutil.Process] = set()
    while command.is_running() and command.status() != psutil.STATUS_ZOMBIE:
        try:
            below = command.children(recursive=True)
            seen.update(below)
            soaked.memory_mib.append(command.memory_info().rss / 2**20)
            soaked.below_mib.append(sum(each.memory_info().rss for each in below) / 2**20)
        except psutil.NoSuchProcess:  # one of them ended meanwhile
            pass
        time.sleep(0.1)
    return seen


def _check(number: int, line: dict[str, object], hostile_every: int, soaked: Soaked) -> None:
    outcomes = line["outcomes"]
    assert isinstance(outcomes, list)
    [outcome] = outcomes
    soaked.statuses[outcome["status"]] += 1
    if number % hostile_every == 0:
        abuse = HOSTILE[number // hostile_every % len(HOSTILE)]
        fair = outcome["status"] in abuse.statuses
    else:
        fair = outcome["value"] == [1, number]
    if line["id"] != number or not fair:
        soaked.wrong.append(f"{number}: {outcome}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--hostile-every", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), options.programs, options.hostile_every)
    early, late = soaked.early_and_late_mib()
    print(f"{options.programs:,} programs, one in {options.hostile_every} hostile, in {soaked.wall_s:.0f} s")
    print("outcomes: " + ", ".join(f"{status} {count:,}" for status, count in soaked.statuses.most_common()))
    memory = f"the command {early:.0f} MiB early, {late:.0f} late; all workers at most {max(soaked.below_mib):.0f}"
    left = soaked.left_files + soaked.left_processes
    print(f"memory: {memory}\nunexpected outcomes: {len(soaked.wrong)}; left: {left or 'nothing'}")
    for wrong in soaked.wrong[:20]:
        print(f"  {wrong}")
    sys.exit(bool(soaked.wrong or soaked.left_files or soaked.left_processes or late > early * 1.2 + 10))


if __name__ == "__main__":
    main()
