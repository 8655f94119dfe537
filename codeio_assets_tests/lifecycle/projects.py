"""A project of a few files whose model answers slowly, and real commands over it that can be stopped."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer
from codeio_assets_tests.steps.scripted import transform_response

GENERATOR = "import random\ndef input_generator():\n    return {'a': random.randint(0, 99)}"
CODE = "def main_solution(a):\n    return [a, a]"
SETTINGS = """\
chat: {{model: stub-model, concurrency: {concurrency}}}
sampling: {{draws: 40}}
quality: {{cot: {{min_chars: 0}}}}
"""


def slowly(delay_s: float) -> Callable[[dict[str, Any], int], Act]:
    """Answer every request of the first steps after a while."""

    def script(asked: dict[str, Any], _before: int) -> Act:
        is_transform = "## Main Function" in str(asked["messages"][0]["content"])
        text = transform_response(CODE, GENERATOR) if is_transform else 'So {"output": [1, 1]} it is.'
        return answer(text, delay_s=delay_s)

    return script


@dataclass
class SlowProject:
    """Its folder, its server, and the environment of its commands."""

    root: Path
    home: Path
    server: StubServer
    own: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_"))}
        return inherited | self.own

    def start(self, *command: str, before: str = "", **more: Any) -> "subprocess.Popen[str]":
        """Start a command of ours in a session of its own; `before` is Python that is run first."""
        line = [sys.executable, "-c", f"{before}\nfrom codeio_assets.cli import main; main()", *command]
        return subprocess.Popen(
            line, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, **more,
        )  # fmt: skip


@contextmanager
def slow_project(
    folder: Path, files: int, delay_s: float, concurrency: int = 2, shard_size: int = 100
) -> Iterator[SlowProject]:
    """Make a project of some files, each of which a slow model is asked about."""
    root, home = folder / "project", folder / "home"
    root.mkdir()
    for name in ("recipes", "sql"):
        shutil.copytree(INSTALLED_ROOT / name, root / name)
    shutil.copyfile(INSTALLED_ROOT / "dagster.yaml", root / "dagster.yaml")
    (root / "codeio.yaml").write_text(SETTINGS.format(concurrency=concurrency))
    source = f"{{kind: directory, path: code, shard_size: {shard_size}, filters: {{min_chars: 0}}}}"
    (root / "sources.yaml").write_text(f"sources:\n  mine: {source}\n")
    (root / "code").mkdir()
    for number in range(files):
        (root / "code" / f"file_{number}.py").write_text(f"def file_{number}(a):\n    return [a, a + {number}]\n")
    with StubServer(slowly(delay_s)) as server:
        own = {
            "CODEIO_PROJECT": str(root),
            "CODEIO_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "CODEIO_BASE_URL": server.base_url,
            "CODEIO_MODEL": "stub-model",
            "CODEIO_API_KEY": "none",
        }
        yield SlowProject(root, home, server, own)


def wait_until(holds: Callable[[], Any], patience_s: float = 240.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def below(pid: int) -> list[psutil.Process]:
    """Return all processes that a process started."""
    return psutil.Process(pid).children(recursive=True)


def runs_among(processes: list[psutil.Process], words: str) -> bool:
    """Tell whether one of some processes has words in its command line."""
    for each in processes:
        with contextlib.suppress(psutil.Error):
            if words in " ".join(each.cmdline()):
                return True
    return False


def all_gone(processes: list[psutil.Process], patience_s: float = 40.0) -> bool:
    """Tell whether processes end soon; zombies have."""
    deadline = time.monotonic() + patience_s
    while any(map(_is_alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def end(process: "subprocess.Popen[str]", how: signal.Signals) -> tuple[int, str, str]:
    """Send a signal and return exit code, standard output and standard error."""
    process.send_signal(how)
    said, told = process.communicate(timeout=240)
    return process.returncode, said, told


def numbers(line: str, pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, line)
    assert found, line
    return tuple(int(number.replace(",", "")) for number in found.groups())
