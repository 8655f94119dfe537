"""A stand-in for a Kubernetes cluster: an API as strict about jobs as the published schemas, pods that are processes.

A job's pod is the image's entrypoint with the job's arguments, in an environment of what the job names and nothing
else: its own variables, and ConfigMaps and Secrets that the cluster holds. Pods that ask for GPUs stay pending.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[2]
ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"
PATHS = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
"""What is the image's and not the job's."""
SCHEMAS = "1.34"
GPU = "nvidia.com/gpu"


@dataclass
class Pod:
    """A job as it was asked for, and its process; None while it waits for a machine."""

    job: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    def status(self) -> dict[str, Any]:
        code = self.process.poll() if self.process else None
        if code is None:
            return {"active": 1}
        return {"succeeded": 1} if code == 0 else {"failed": 1}

    def end(self, sent: signal.Signals = signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, sent)
            self.process.wait(30)


@dataclass
class Cluster:
    """The API server at `url`, with what it was asked."""

    folder: Path
    namespace: str
    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    bodies: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    deleted: list[str] = field(default_factory=list[str])
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])

    def __enter__(self) -> "Cluster":
        handler = type("Handler", (_Handler,), {"cluster": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for pod in self.pods.values():
            pod.end()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self) -> Path:
        """Return the file with which clients find this cluster."""
        path = self.folder / "kubeconfig"
        cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}
        context = {"name": "here", "context": {"cluster": "here", "user": "here"}}
        users = [{"name": "here", "user": {}}]
        config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "here"}
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **config}))
        return path

    def logs(self) -> str:
        """Return what all pods printed."""
        return "\n".join(pod.log.read_text() for pod in self.pods.values() if pod.log)

    def create(self, text: str, namespace: str) -> tuple[int, dict[str, Any]]:
        """Take a job as an API server does: 422 for what the schemas do not allow."""
        import kubernetes_validate

        self.bodies.append(text)
        job: dict[str, Any] = json.loads(text)
        try:
            kubernetes_validate.validate(job, SCHEMAS, strict=True)
        except kubernetes_validate.ValidationError as error:
            self.refused.append(str(error))
            return 422, {"kind": "Status", "status": "Failure", "message": str(error), "code": 422}
        if namespace != self.namespace:
            return 404, {"kind": "Status", "status": "Failure", "message": f"namespace {namespace}", "code": 404}
        name = job["metadata"]["name"]
        if name in self.pods:
            return 409, {"kind": "Status", "status": "Failure", "message": f"{name} exists", "code": 409}
        self.pods[name] = self._start(name, job)
        return 201, job

    def _start(self, name: str, job: dict[str, Any]) -> Pod:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        if GPU in container.get("resources", {}).get("limits", {}):
            return Pod(job)
        environment = dict(PATHS)
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                environment |= self.config_maps[source["configMapRef"]["name"]]
            else:
                environment |= self.secrets[source["secretRef"]["name"]]
        environment |= {each["name"]: each["value"] for each in container.get("env", [])}
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            command = [str(ENTRYPOINT), *container["args"]]
            process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=out, stderr=out, start_new_session=True
            )
        return Pod(job, process, log)

    def read(self, path: str, query: str) -> tuple[int, dict[str, Any]]:
        """Answer what clients ask about jobs, pods and events."""
        kind = path.split("/")[-1]
        if kind in {"pods", "events", "jobs"}:
            wanted = parse_qs(query).get("labelSelector", [""])[0].removeprefix("job-name=")
            names = [name for name in self.pods if name == wanted] if kind == "pods" else []
            items = [{"metadata": {"name": name}, "spec": {"containers": []}, "status": {}} for name in names]
            return 200, {"kind": "List", "apiVersion": "v1", "items": items}
        name = path.removesuffix("/status").split("/")[-1]
        if name not in self.pods:
            return 404, {"kind": "Status", "status": "Failure", "message": name, "code": 404}
        pod = self.pods[name]
        return 200, {**pod.job, "status": pod.status()}

    def delete(self, path: str) -> tuple[int, dict[str, Any]]:
        """Take a job or a pod away."""
        name = path.split("/")[-1]
        self.deleted.append(path)
        if name in self.pods:
            self.pods[name].end(signal.SIGTERM)
        return 200, {"kind": "Status", "status": "Success"}


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        parts = urlsplit(self.path).path.split("/")
        self._answer(*self.cluster.create(text, parts[parts.index("namespaces") + 1]))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._answer(*self.cluster.read(url.path, url.query))

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(*self.cluster.delete(urlsplit(self.path).path))

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base class)
        """Keep quiet."""
