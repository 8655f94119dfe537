"""A Ray cluster of this machine: a head that takes no runs, as in `deploy/ray/raycluster.yaml`, and nodes beside it.

Each is `ray start` in the environment of this process; a node is lost as a machine is: SIGKILL to all that it runs.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection
from pathlib import Path

import psutil

BIN = Path(sys.executable).parent
RAY = [str(BIN / "ray"), "start", "--block", "--disable-usage-stats", "--object-store-memory=80000000"]
ANY_PORTS = ["--min-worker-port=0", "--max-worker-port=0"]
"""Nodes of one machine would take each other's."""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Node:
    """The processes of one `ray start`."""

    def __init__(self, log: Path, *words: str) -> None:
        line = [*RAY, *ANY_PORTS, f"--dashboard-agent-listen-port={_free_port()}", *words]
        path = {"PATH": f"{BIN}:{os.environ['PATH']}"}  # a job's command is `dagster ...`
        with log.open("ab") as out:
            self._started = subprocess.Popen(line, env={**os.environ, **path}, stdout=out, stderr=out)

    def runs(self) -> bool:
        """Tell whether it lives."""
        return self._started.poll() is None

    def executing(self, run_id: str) -> list[psutil.Process]:
        """Return the processes of a run, parents first; none when the run is elsewhere."""
        found: dict[psutil.Process, None] = {}
        for each in self._processes():
            with contextlib.suppress(psutil.Error):
                words = " ".join(each.cmdline())
                if "execute_run" in words and run_id in words:
                    found |= dict.fromkeys([each, *each.children(recursive=True)])
        return list(found)

    def kill(self, spared: Collection[psutil.Process] = ()) -> None:
        """End it at once, children first, so that nobody tidies up; `spared` stays, without a parent."""
        for each in reversed(self._processes()):
            if each not in spared:
                with contextlib.suppress(psutil.Error):
                    each.kill()
        self._started.kill()
        self._started.wait(30)

    def _processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._started.pid).children(recursive=True)
        return []


class RayCluster:
    """A head and nodes that take one run each, by `num_cpus` in the shipped dagster.yaml.

    Args:
        nodes: beside the head.
        token: which Ray asks of whoever submits jobs; else all who reach its ports run code.

    Attributes:
        url: of the API for jobs.
    """

    def __init__(self, nodes: int, token: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets have short names
        self._token = token
        port, dashboard = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{dashboard}"
        self._address = f"--address=127.0.0.1:{port}"
        self.nodes: list[Node] = []
        self._orphaned: list[psutil.Process] = []
        places = [f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={self._folder}"]
        self._head = self._started("--head", "--include-dashboard=true", "--num-cpus=0", *places)
        for _ in range(nodes):
            self.add()

    def add(self) -> None:
        """Let a node join; one after the other, since of two at once on one machine one fails."""
        self.nodes.append(self._started(self._address, "--num-cpus=2"))

    def lose(self, node: Node, spared: Collection[psutil.Process] = ()) -> None:
        """Kill a node but for some processes."""
        self.nodes.remove(node)
        node.kill(spared)

    def cut_off(self, node: Node, run_id: str) -> list[psutil.Process]:
        """Lose a node but for a run that it executes, which is suspended; gives the processes of that run."""
        self._orphaned = node.executing(run_id)
        for each in self._orphaned:
            each.suspend()
        self.lose(node, spared=self._orphaned)
        return self._orphaned

    def jobs(self) -> str:
        """Return what `ray job list` reads."""
        return self._get("api/jobs/")

    def logs(self) -> str:
        """Return what all runs printed."""
        files = self._folder.glob("session_2*/logs/job-driver-*")
        return "\n".join(path.read_text(errors="replace") for path in files)

    def close(self) -> None:
        """End all of it."""
        for node in (*self.nodes, self._head):
            node.kill()
        for each in self._orphaned:
            with contextlib.suppress(psutil.Error):
                each.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self, *words: str) -> Node:
        log = self._folder / "nodes.log"
        before = self._alive()
        node = Node(log, *words)
        deadline = time.monotonic() + 180
        while not self._alive() - before:
            if not node.runs() or time.monotonic() > deadline:
                node.kill()
                raise AssertionError(f"no node came of ray start {words}:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        return node

    def _alive(self) -> set[str]:
        """Return the nodes that the head takes for alive, which lost ones are for some seconds."""
        with contextlib.suppress(OSError):
            nodes = [node["raylet"] for node in json.loads(self._get("nodes?view=summary"))["data"]["summary"]]
            return {node["nodeId"] for node in nodes if node.get("state") == "ALIVE"}
        return set()

    def _get(self, path: str) -> str:
        asked = urllib.request.Request(f"{self.url}/{path}", headers={"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read().decode()
