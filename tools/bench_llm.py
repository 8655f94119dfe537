"""Measure the engine for model calls: speed and memory against an instant stand-in, and against a real vLLM server.

    python tools/bench_llm.py instant [--requests 20000]     requests per second on one core, journal on
    python tools/bench_llm.py memory  [--requests 200000]    memory while that many requests go through
    python tools/bench_llm.py vllm URL MODEL [--python VLLM_PYTHON]   against vLLM's own client, same prompts, same run

The stand-in answers at once from a process of its own; the client and its journal are pinned to one core.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codeio_assets.llm import ChatRequest, Journal, Message, OpenAIChatClient, Sampling, answered_in_windows

TEXT = 'Adding the two numbers step by step gives forty-two. The answer is {"output": 42}. '
BODY = json.dumps(
    {
        "id": "instant",
        "object": "chat.completion",
        "model": "instant",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT * 6}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 120},
    }
).encode()
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Instant(asyncio.Protocol):
    """A server that says the same to everyone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(REPLY)


async def serve() -> None:
    """Serve until killed; the first line of output is the port."""
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def requests_of(count: int) -> Iterator[ChatRequest]:
    """Yield requests of the length of a prediction prompt."""
    prompt = "What does this function return for the given input? " * 24
    return (ChatRequest("instant", (Message("user", f"{prompt}{number}"),)) for number in range(count))


def rss_mib() -> float:
    """Return the memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def against_instant(count: int, concurrency: int, steps: int) -> None:
    """Send requests to the stand-in and tell speed and memory, `steps` times on the way."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, __file__, "serve"]
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("CODEIO_BENCH_DIR")) as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            os.sched_setaffinity(server.pid, cores[-1:])
            os.sched_setaffinity(0, cores[:1])
            client = OpenAIChatClient(url, "instant", Journal(Path(folder)), concurrency=concurrency)
            list(answered_in_windows(client, requests_of(200)))
            _measure(client, count, steps)
        finally:
            server.kill()
        print(Journal(Path(folder)).verify())


def _measure(client: OpenAIChatClient, count: int, steps: int) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    for number, (_, response) in enumerate(answered_in_windows(client, requests_of(count)), 1):
        assert response.status == "answered", response
        if number % max(1, count // steps) == 0:
            wall = time.perf_counter() - started
            used = time.process_time() - cpu
            print(
                f"{number:>8,} requests  {number / wall:7,.0f}/s  {used / number * 1e3:.3f} ms CPU each  "
                f"{rss_mib():6.1f} MiB",
                flush=True,
            )
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")


def against_vllm(
    url: str, model: str, python: str, tokenizer: str, count: int, concurrency: int, max_tokens: int
) -> None:
    """Send the same prompts with our client and with vLLM's own, in turn, twice, and tell tokens per second."""
    rng = random.Random(0)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2):
            prompts = [f"Run {rng.random()}: count upwards from {number} in words." for number in range(count)]
            file = Path(folder) / f"{turn}.jsonl"
            file.write_text("".join(json.dumps({"prompt": p, "output_tokens": max_tokens}) + "\n" for p in prompts))
            theirs.append(_their_rate(python, url, model, tokenizer, file, count, concurrency, max_tokens))
            prompts = [prompt.replace("Run ", "Try ") for prompt in prompts]  # no prefix cache from the other client
            ours.append(_our_rate(url, model, prompts, Path(folder) / f"journal{turn}", concurrency, max_tokens))
            print(f"turn {turn + 1}: vllm bench {theirs[-1]:.2f} tokens/s, ours {ours[-1]:.2f} tokens/s", flush=True)
    print(f"ours / theirs: {sum(ours) / sum(theirs):.1%}")


def _our_rate(url: str, model: str, prompts: list[str], folder: Path, concurrency: int, max_tokens: int) -> float:
    client = OpenAIChatClient(url, model, Journal(folder), concurrency=concurrency)
    sampling = Sampling(temperature=0, max_tokens=max_tokens)
    started = time.perf_counter()
    responses = client.complete([ChatRequest(model, (Message("user", text),), sampling) for text in prompts])
    wall_s = time.perf_counter() - started
    assert {response.status for response in responses} <= {"answered", "truncated"}
    return sum(response.completion_tokens for response in responses) / wall_s


def _their_rate(
    python: str, url: str, model: str, tokenizer: str, prompts: Path, count: int, concurrency: int, max_tokens: int
) -> float:
    result = prompts.with_suffix(".result.json")
    # The command `vllm` of the CPU build does not start (it looks for a distribution of that name): call what it calls.
    run = (
        "import importlib.metadata as m; names, real = m.packages_distributions(), m.metadata; "
        "m.metadata = lambda name: real(names.get(name, [name])[0]); "
        "from argparse import ArgumentParser as P; from vllm.benchmarks.serve import add_cli_args, main; p = P(); "
    )
    command = [
        python, "-c", f"{run}add_cli_args(p); main(p.parse_args())", "--backend", "openai-chat",
        "--base-url", url.removesuffix("/v1"), "--endpoint", "/v1/chat/completions",
        "--model", model, "--tokenizer", tokenizer,
        "--dataset-name", "custom", "--dataset-path", str(prompts), "--custom-output-len", str(max_tokens),
        "--skip-chat-template", "--disable-shuffle", "--num-prompts", str(count), "--num-warmups", "0",
        "--max-concurrency", str(concurrency), "--temperature", "0", "--save-result",
        "--result-filename", str(result),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"vllm bench failed:\n{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}")
    return float(json.loads(result.read_text())["output_throughput"])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve")
    for name, count in (("instant", 20_000), ("memory", 200_000)):
        command = commands.add_parser(name)
        command.add_argument("--requests", type=int, default=count)
        command.add_argument("--concurrency", type=int, default=64)
    vllm = commands.add_parser("vllm")
    vllm.add_argument("url")
    vllm.add_argument("model")
    vllm.add_argument("--python", default=os.environ.get("CODEIO_VLLM_PYTHON", ""))
    vllm.add_argument(
        "--tokenizer", default=os.environ.get("CODEIO_VLLM_MODEL"), help="folder; default the model's name"
    )
    vllm.add_argument("--requests", type=int, default=48)
    vllm.add_argument("--concurrency", type=int, default=16)
    vllm.add_argument("--max-tokens", type=int, default=32)
    given = parser.parse_args()
    if given.command == "serve":
        asyncio.run(serve())
    elif given.command == "vllm":
        tokenizer = given.tokenizer or given.model
        against_vllm(
            given.url, given.model, given.python, tokenizer, given.requests, given.concurrency, given.max_tokens
        )
    else:
        against_instant(given.requests, given.concurrency, steps=10 if given.command == "memory" else 4)


if __name__ == "__main__":
    main()
