"""The ways of running checks that the sandbox is compared with, in a process of their own without network.

The tool that compares starts this file with a JSON task on standard input and reads a JSON answer:

* `fresh`: a new interpreter that imports numpy, per check, as the public scripts do; CPU seconds per check;
* `bare`: calls in one warm process with nothing around them, the floor; CPU seconds per check;
* `sampler`: one interpreter per function that draws up to 10 accepted pairs and stores them after the call, as the
  public scripts do; CPU seconds and pairs per function.

What does not live here: what is compared (`bench_execution`, `sampling_report`).
"""

import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FRESH_S = 20.0
SAMPLER_S = 60.0
"""Source: the public repository's time limit for sampling one function."""

FRESH = """
import json, sys
import numpy as np
{code}
value = {entry}(**json.loads({input!r}))
sys.exit(0 if json.loads(json.dumps(value)) == json.loads({output!r}) else 1)
"""

SAMPLER = """
import json, sys
import numpy as np
from pympler import asizeof
{code}
{generator}
def small(value):
    if asizeof.asizeof(value) >= 1024: return False
    if isinstance(value, (list, tuple, set, dict)):
        if len(value) >= 20: return False
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return all(small(part) for part in parts)
    return len(value) < 100 if isinstance(value, str) else asizeof.asizeof(value) < 128
pairs, seen = [], set()
for _ in range(1000):
    given = input_generator()
    if not small(given) or str(given) in seen: continue
    seen.add(str(given))
    output = main_solution(**given)
    if output is None or not small(output): continue
    pairs.append({{"input": given, "output": output}})
    if len(pairs) == 10: break
open({path!r}, "w").write(json.dumps(pairs))
"""


def fresh(checks: list[dict[str, str]]) -> list[float]:
    """Run each check in an interpreter of its own."""
    return [_interpreter(FRESH.format(**check), FRESH_S) for check in checks]


def sampler(functions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Sample each function in an interpreter of its own."""
    answers: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.json")
        for function in functions:
            path.unlink(missing_ok=True)
            cpu_s = _interpreter(SAMPLER.format(**function, path=str(path)), SAMPLER_S)
            pairs = json.loads(path.read_text()) if path.is_file() and path.stat().st_size else []
            answers.append({"id": function["id"], "cpu_s": cpu_s, "pairs": pairs})
    return answers


def bare(checks: list[dict[str, str]]) -> list[float]:
    """Run all checks in this process: a first time to import and compile, a second time for the figures.

    The program is loaded for each check, since what a call leaves behind in its module would spare the next one work.
    """
    compiled = {each["function"]: compile(each["code"], "<program>", "exec", 0, True) for each in checks}
    for _ in range(2):
        times: list[float] = []
        for check in checks:
            started = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                namespace: dict[str, Any] = {"__name__": "program"}
                exec(compiled[check["function"]], namespace)
                json.dumps(namespace[check["entry"]](**json.loads(check["input"])))
            times.append(time.process_time() - started)
    return times


def _interpreter(program: str, limit_s: float) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=limit_s, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_way(name: str, items: list[dict[str, str]]) -> Any:
    """Start this file in namespaces without network and with a read-only root, and return what it answers."""
    walls = ["--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    line = ["bwrap", *walls, "--tmpfs", "/tmp", "--chdir", "/tmp", "--", sys.executable, __file__]
    told = subprocess.run(
        line,
        input=json.dumps([name, items]),
        text=True,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
        check=True,
    )
    return json.loads(told.stdout)


def main() -> None:
    """Answer one task."""
    answers, sys.stdout = sys.stdout, io.StringIO()
    name, items = json.load(sys.stdin)
    json.dump({"fresh": fresh, "bare": bare, "sampler": sampler}[name](items), answers)


if __name__ == "__main__":
    main()
