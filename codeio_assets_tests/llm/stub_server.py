"""A stand-in OpenAI-compatible server that fails as scripted; listens on 127.0.0.1 only.

Standard library only. It keeps what it was asked and what it sent completely, so that tests can account for both.
"""

import asyncio
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Act:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: bool = False  # close with RST before anything is sent
    half_body: bool = False  # announce the whole body, send half of it, close


def answer(text: str | None, finish_reason: str | None = "stop", *, delay_s: float = 0.0, **message: Any) -> Act:
    """A chat completion; extra message fields (reasoning_content, refusal, ...) by name."""
    completion = {
        "id": "stub",
        "object": "chat.completion",
        "model": "stub-model-0.1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    return Act(body=json.dumps(completion).encode(), delay_s=delay_s)


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> Act:
    """An error response in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "stub_error", "code": code}}).encode()
    return Act(status=status, body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})


def echo(asked: dict[str, Any]) -> Act:
    """Answer with the last message, so that a test sees whose answer it got."""
    return answer(f"answer to: {asked['messages'][-1]['content']}")


Script = Callable[[dict[str, Any], int], Act]
"""Given a request's body and how often the same prompt came before, what to do."""


def in_turn(*acts: Act) -> Script:
    """Do each act in turn for every prompt, then answer."""
    return lambda asked, before: acts[before] if before < len(acts) else echo(asked)


class StubServer:
    """Context manager; runs in a thread of its own."""

    def __init__(
        self, script: Script | None = None, models: tuple[str, ...] | None = ("stub-model",), port: int = 0
    ) -> None:
        self.port = port
        self.script: Script = script or (lambda asked, _before: echo(asked))
        self.models = models
        self.asked: list[dict[str, Any]] = []
        self.asked_headers: list[dict[str, str]] = []
        self.sent: list[str] = []  # prompts whose response was written whole
        self.in_flight = 0
        self.most_in_flight = 0
        self._seen: Counter[str] = Counter()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="stub-server")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [asked["messages"][-1]["content"] for asked in self.asked]

    def __enter__(self) -> "StubServer":
        self._thread.start()
        assert self._ready.wait(10), "the stand-in server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close all connections and stop listening; stopping twice is fine."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the stand-in server did not stop"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request of a connection; False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked_headers.append(headers)
        if start.startswith("GET"):
            return await self._send(writer, self._list_models())
        asked = json.loads(body)
        prompt = asked["messages"][-1]["content"]
        self.asked.append(asked)
        act = self.script(asked, self._seen[prompt])
        self._seen[prompt] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(act.delay_s)
            going_on = await self._send(writer, act)
        finally:
            self.in_flight -= 1
        if going_on and act.status == 200:
            self.sent.append(prompt)
        return going_on

    def _list_models(self) -> Act:
        if self.models is None:
            return error(404, "Not Found")
        return Act(body=json.dumps({"object": "list", "data": [{"id": name} for name in self.models]}).encode())

    async def _send(self, writer: asyncio.StreamWriter, act: Act) -> bool:
        if act.reset:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        headers = {"content-type": "application/json", "content-length": str(len(act.body)), **act.headers}
        head = f"HTTP/1.1 {act.status} Scripted\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items())
        body = act.body[: len(act.body) // 2] if act.half_body else act.body
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        return not act.half_body
