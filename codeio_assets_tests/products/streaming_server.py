"""A chat server that streams, as evaluation tools want it, and answers by a table of prompts."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

CHARACTERS = 7


class _Handler(BaseHTTPRequestHandler):
    answers: ClassVar[Mapping[str, str]] = {}

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["stream"], "this server streams, and nothing else"
        text = self.answers[asked["messages"][-1]["content"]]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for start in range(0, len(text), CHARACTERS):
            self._say({"role": "assistant", "content": text[start : start + CHARACTERS]}, None)
        self._say({}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _say(self, delta: dict[str, str], finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        if finish:
            chunk["usage"] = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())


@contextmanager
def streaming_server(answers: Mapping[str, str]) -> Iterator[str]:
    """Yield the base URL of a server that gives each prompt its answer."""
    handler = type("Handler", (_Handler,), {"answers": answers})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
