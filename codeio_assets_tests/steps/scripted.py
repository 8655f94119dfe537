"""A language model that says what a test tells it to, and rows of the tables as the stages make them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id, sha256_hex
from codeio_assets.llm.contract import ChatRequest, ChatResponse, Progress

MODEL = "scripted"
Reply = str | ChatResponse


class ScriptedClient:
    """Answers each request with what `script` makes of it; remembers the batches it was asked."""

    def __init__(self, script: Callable[[ChatRequest], Reply]) -> None:
        self.script = script
        self.batches: list[list[ChatRequest]] = []

    @property
    def model(self) -> str:
        return MODEL

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        self.batches.append(list(requests))
        if on_progress:
            on_progress(Progress(len(requests), len(requests), 0, 0, 0, 1.0))
        return [self._respond(request) for request in requests]

    def _respond(self, request: ChatRequest) -> ChatResponse:
        reply = self.script(request)
        if isinstance(reply, str):
            reply = ChatResponse("", "answered", MODEL, reply, finish_reason="stop")
        return replace(reply, key=request.key, prompt_tokens=10, completion_tokens=2)


def ended(status: str, text: str = "", failure: str | None = None) -> ChatResponse:
    return ChatResponse("", status, MODEL, text, failure=failure)  # type: ignore[arg-type]


def turn_of(request: ChatRequest, opening: int = 1) -> int:
    """Return which turn of its conversation a request asks for; `opening` messages stand before the first answer."""
    return (len(request.messages) - opening) // 2 + 1


def transform_response(main: str, generator: str, query: str = "What comes of `a`?") -> str:
    return (
        f"## Main Function\n```python\n{main}\n```\n\n## Input Output Description\na and what comes of it\n\n"
        f"## Input Generator\n```python\n{generator}\n```\n\n## Problem Statement\n{query}\n"
    )


def files(*contents: str, source: str = "s") -> pl.DataFrame:
    return frame(
        "eligible_code_files",
        [
            {
                "file_id": content_id(source=source, path=f"{number}.py"),
                "source": source,
                "repository": "repo",
                "path": f"{number}.py",
                "license": "mit",
                "content": content,
                "content_sha256": sha256_hex(content),
                "size_bytes": len(content),
            }
            for number, content in enumerate(contents)
        ],
    )


def functions(*programs: tuple[str, str], source: str = "s") -> pl.DataFrame:
    """Return unified functions of (reference code, generator); `path` keeps their order."""
    return frame(
        "unified_functions",
        [
            {
                "function_id": content_id(number=number, code=code, generator=generator),
                "file_id": content_id(number=number),
                "source": source,
                "repository": "repo",
                "path": f"{number}.py",
                "license": "mit",
                "reference_code": code,
                "io_description": "a (int)",
                "input_generator": generator,
                "query": f"What comes of `a` in {number}?",
                "completed_names": "",
                "attempt": 1,
                "request_key": sha256_hex(code),
                "model_id": MODEL,
                "prompt_sha256": sha256_hex(""),
            }
            for number, (code, generator) in enumerate(programs)
        ],
    )


def pairs(function: dict[str, Any], *values: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the rows of (input, output) pairs of a function."""
    return [
        {
            "pair_id": content_id(function_id=function["function_id"], input_json=given),
            "function_id": function["function_id"],
            "source": function["source"],
            "pair_index": index,
            "input_json": given,
            "output_json": output,
            "is_degenerate": False,
        }
        for index, (given, output) in enumerate(values)
    ]
