"""A stand-in for a provider's batch API: files and batches in memory, lines answered as scripted."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LineScript = Callable[[dict[str, Any], int], dict[str, Any] | None]
"""Given a line's body and how often its prompt came before: the response of its output line, None for no line."""


def line_answer(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return {"status_code": 200, "body": {"model": "stub-model-0.1", "choices": [choice], "usage": usage}}


def line_error(status: int, message: str) -> dict[str, Any]:
    return {"status_code": status, "body": {"error": {"message": message}}}


def echo_line(body: dict[str, Any], _before: int) -> dict[str, Any]:
    return line_answer(f"answer to: {body['messages'][-1]['content']}")


class BatchServer:
    """Context manager; `polls` looks pass before a batch has ended as `final_status`."""

    def __init__(self, script: LineScript = echo_line, polls: int = 1, final_status: str = "completed") -> None:
        self.script, self.polls, self.final_status = script, polls, final_status
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looked: Counter[str] = Counter()
        self.prompts: list[str] = []
        self.refuses: int | None = None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._send(*owner.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                self._send(*owner.post(self.path, self.headers.get("content-type", ""), body))

            def _send(self, status: int, value: Any) -> None:
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "BatchServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, path: str) -> tuple[int, Any]:
        if self.refuses:
            return self.refuses, {"error": {"message": "refused"}}
        path = path.removeprefix("/v1").split("?")[0]
        if path == "/batches":
            return 200, {"object": "list", "data": list(self.batches.values()), "has_more": False}
        if found := re.fullmatch(r"/batches/(.+)", path):
            return 200, self._look(found[1])
        if found := re.fullmatch(r"/files/(.+)/content", path):
            return 200, self.files[found[1]]
        return 404, {"error": {"message": "no such path"}}

    def post(self, path: str, kind: str, body: bytes) -> tuple[int, Any]:
        if self.refuses:
            return self.refuses, {"error": {"message": "refused"}}
        if path.endswith("/files"):
            boundary = kind.split("boundary=")[1].encode()
            (part,) = [part for part in body.split(b"--" + boundary) if b'name="file"' in part]
            return 200, {"id": self._keep(part.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0]), "object": "file"}
        asked = json.loads(body)
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": asked["endpoint"], "status": "in_progress", "created_at": 0,
            "input_file_id": asked["input_file_id"], "completion_window": asked["completion_window"],
            "metadata": asked["metadata"],
        }  # fmt: skip
        return 200, self.batches[name]

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        self.looked[name] += 1
        if batch["status"] == "in_progress" and self.looked[name] > self.polls:
            batch["status"] = self.final_status
            if self.final_status == "failed":
                batch["errors"] = {"object": "list", "data": [{"message": "the file is not valid", "code": "bad"}]}
            else:
                batch["output_file_id"] = self._keep(self._answered(self.files[batch["input_file_id"]]))
        return batch

    def _answered(self, content: bytes) -> bytes:
        lines: list[str] = []
        for line in map(json.loads, content.splitlines()):
            prompt = line["body"]["messages"][-1]["content"]
            response = self.script(line["body"], self.prompts.count(prompt))
            self.prompts.append(prompt)
            if response is not None:
                lines.append(json.dumps({"custom_id": line["custom_id"], "response": response, "error": None}))
        return "\n".join(reversed(lines)).encode()
