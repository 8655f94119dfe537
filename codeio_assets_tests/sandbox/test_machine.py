"""An ordinary user, and a machine with far too much to do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codeio_assets.sandbox import Job, Limits, open_sandbox

ROOT = Path(__file__).parents[2]
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
READABLE = """
import os, sys
print(sys.version_info >= (3, 11) and os.access(os.path.realpath(sys.executable), os.X_OK))
"""
PROGRAM = """
import json
from codeio_assets.sandbox import Job, Limits, open_sandbox
code = "import os\\ndef main_solution(a): return [a, os.getuid(), sorted(os.listdir('/tmp')), sorted(os.environ)]"
with open_sandbox(Limits(), workers=1) as sandbox:
    [outcome] = sandbox.run(Job("j", code, calls=['{"a": 1}']))
    print(json.dumps([sandbox.isolation, outcome.value_json]))
"""


def as_nobody(python: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*NOBODY, python, "-c", PROGRAM], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def readable_python() -> str:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root with setpriv can become another user; the other tests run as this ordinary user")
    for python in (sys.executable, "/usr/bin/python3"):
        asked = subprocess.run(
            [*NOBODY, python, "-c", READABLE],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip() == "True":
            return python
    pytest.skip(f"user nobody can read no Python of at least 3.11: not {sys.executable}, not /usr/bin/python3")


def test_an_ordinary_user_has_the_same_sandbox(readable_python: str) -> None:
    ran = as_nobody(readable_python)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["bubblewrap+seccomp", '[1,65534,[],["HOME","LANG","LOGNAME","PATH","USER"]]']


@pytest.mark.slow
def test_load_makes_no_timeouts() -> None:
    """Eight workers on few cores and a burner: calls of 0.3 CPU seconds end well under a limit of 1 s."""
    code = """
import time
def main_solution(a):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        a += 1
    return "done"
"""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with open_sandbox(Limits(cpu_s=1.0, wall_s=2.0), workers=8) as sandbox:
            jobs = [Job(str(i), code, calls=['{"a": 0}']) for i in range(16)]
            outcomes = [outcome for _, given in sandbox.run_many(jobs) for outcome in given]
    finally:
        burner.kill()
        burner.wait()
    assert [outcome.status for outcome in outcomes] == ["ok"] * 16
