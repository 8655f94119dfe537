"""The HTTP client of an endpoint: bodies are bounded while they come, never unpacked, and never sent elsewhere.

What lives here: the bounds of a response, and no redirects, which would carry prompts and key to another host.
What does not: requests, time-outs and errors (`endpoint`).
"""

from collections.abc import AsyncIterator
from typing import Any

from openai import DefaultAioHttpClient

from codeio_assets.core.values.decoding import BOUNDS

PLAIN_BODIES = {"accept-encoding": "identity"}
"""Asked of every server: 150 KB of gzip can hold 150 MB, and answers are small without it."""


class BodyRefused(Exception):  # noqa: N818  (a finding about a body)
    """A response's body is larger than it may be, or packed; the message says which."""


def bounded_client(*, trust_env: bool) -> DefaultAioHttpClient:
    """Return a client that refuses bodies beyond the bounds of a JSON text, packed bodies, and redirects.

    Its transport, aiohttp's, takes a quarter of the CPU time of the default one, whose pool looks at every connection
    for every request.
    """
    return DefaultAioHttpClient(trust_env=trust_env, follow_redirects=False, event_hooks={"response": [_bound]})


async def _bound(response: Any) -> None:
    """Refuse a body by its headers, or while it is read; `response` is of httpx or httpx2, whichever `openai` uses."""
    packed = response.headers.get("content-encoding", "identity").lower()
    if packed not in ("", "identity"):
        raise BodyRefused(f"the body is packed ({packed[:20]}), which was not asked for")
    announced = response.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > BOUNDS.max_bytes:
        raise BodyRefused(f"the body takes {announced[:20]} bytes, more than {BOUNDS.max_bytes:,}")
    response.stream = _bounded_stream(response.stream)


def _bounded_stream(stream: Any) -> Any:
    """Return a stream of the same kind that ends in an error once it has given too much."""

    class Bounded(type(stream)):  # pyright: ignore[reportUntypedBaseClass]  (httpx asks for its own class)
        def __init__(self) -> None: ...

        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = 0
            async for chunk in stream:
                seen += len(chunk)
                if seen > BOUNDS.max_bytes:
                    raise BodyRefused(f"the body takes more than {BOUNDS.max_bytes:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
