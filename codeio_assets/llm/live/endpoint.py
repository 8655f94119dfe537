"""One OpenAI-compatible endpoint: one try of one request over HTTP.

What lives here: sending, and telling apart an answer, a failed try and a server that cannot serve the run.
What does not: retries, concurrency, the journal (`client`); reading bodies (`replies`).
An `Endpoint` lives on one event loop; a client makes one per batch and URL.
"""

import asyncio
import errno
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    HttpxBinaryResponseContent,
    OpenAIError,
    Timeout,
)
from pydantic import SecretStr

from codeio_assets.core.settings.models import RequestForm
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.core.values.decoding import decode_json, list_of, object_of
from codeio_assets.llm.contract import ChatRequest, ChatServerError
from codeio_assets.llm.live.http import PLAIN_BODIES, BodyRefused, bounded_client
from codeio_assets.llm.live.refusals import ROW_CODES, RequestRefused
from codeio_assets.llm.live.replies import error_text, parse_completion
from codeio_assets.llm.live.tries import Reply, TryFailed, retry_after_s
from codeio_assets.llm.live.wire import PLAIN, request_body

NO_KEY = "none"
"""Sent to local servers, which ask for no key; the `openai` package insists on one."""

_NOTHING_LISTENS = {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionTimeoutError"}
"""By name: `openai` 2 raises the errors of `httpx`, `openai` 3 those of `httpx2`, or those of aiohttp beneath."""
_RETRIED = (408, 409, 425, 429)
_CROWDED = (408, 429, 503, 504, 529)
OUT_OF_FILES = (
    "this machine lets a process open too few files for so many connections: lower `chat.concurrency`, or raise the "
    "limit (`ulimit -n`); a re-run asks only for what is missing"
)
_ADVICE = {
    400: "it does not accept requests of this form: check model, sampling and `chat.models` (preset, omit, rename)",
    401: "it refuses the API key: set CODEIO_API_KEY",
    402: "it asks for payment: check the account",
    403: "it denies access: check the rights of the key in CODEIO_API_KEY and the model's name",
    404: "no such model or path: check the model's name and the base URL (it often ends in /v1)",
    **dict.fromkeys((301, 302, 303, 307, 308), "it redirects, and prompts go only where you say: set its new address"),
}


class Endpoint:
    """A base URL with its key; to be closed in the end."""

    def __init__(self, base_url: str, api_key: SecretStr, timeout_s: float, form: RequestForm = PLAIN) -> None:
        self._form = form
        self._base_url = base_url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._openai = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key.get_secret_value() or NO_KEY,
            max_retries=0,
            timeout=Timeout(timeout_s, connect=min(10.0, timeout_s)),
            default_headers=PLAIN_BODIES,
            # A proxy of the environment cannot reach a server of this machine.
            http_client=bounded_client(trust_env=not _is_loopback(base_url)),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._openai.close()

    async def ask(self, request: ChatRequest) -> Reply:
        """Send a request once and return the answer.

        Raises:
            RequestRefused: it will never answer this request; whether it answers others is not known here.
            TryFailed: no answer this time.
            ChatServerError: the server refuses the key or the model, or this machine has no open files left.
        """
        try:
            body = await self._exchange("/chat/completions", request_body(request, self._form))
        except APIStatusError as error:
            raise self._fault(error) from None
        return parse_completion(body, request.sampling.max_tokens)

    async def models(self) -> list[str] | None:
        """Return the names of the served models, sorted; None when the server does not list them.

        Raises:
            TryFailed, ChatServerError: as for `ask`.
        """
        try:
            body = await self._exchange("/models")
        except APIStatusError as error:
            if error.status_code in (404, 405, 501):
                return None
            raise self._fault(error) from None
        return _model_names(body)

    async def _exchange(self, path: str, payload: Mapping[str, JsonLike] | None = None) -> bytes:
        """Return the body of a 2xx response; problems of the connection become `TryFailed`."""
        try:
            async with asyncio.timeout(self._timeout_s):  # httpx bounds each read, a slow drip only this
                if payload is None:
                    response = await self._openai.get(path, cast_to=HttpxBinaryResponseContent)
                else:
                    response = await self._openai.post(path, cast_to=HttpxBinaryResponseContent, body=payload)
                return response.content
        except APIStatusError:
            raise
        except TimeoutError:
            raise self._timeout() from None
        except BodyRefused as error:
            raise TryFailed(f"malformed_body: {error}", max_tries=2) from None
        except UnicodeEncodeError:
            raise TryFailed("not_encodable: the prompt holds lone surrogates", max_tries=1) from None
        except APIConnectionError as error:
            if isinstance(error.__cause__, BodyRefused):  # openai 2 takes every error of the client for one of these
                raise TryFailed(f"malformed_body: {error.__cause__}", max_tries=2) from None
            raise self._connection_problem(error) from None
        except OpenAIError as error:
            raise TryFailed(f"connection: {self._hidden(str(error))}") from None

    def _timeout(self) -> TryFailed:
        return TryFailed(f"timeout: no complete answer within {self._timeout_s:g} s", crowded=True)

    def _connection_problem(self, error: APIConnectionError) -> TryFailed | ChatServerError:
        cause = error.__cause__ or error
        if _out_of_files(cause):
            return ChatServerError(OUT_OF_FILES)
        kinds = _kinds(cause)
        connected = not kinds & _NOTHING_LISTENS
        if connected and any("Timeout" in kind for kind in kinds):
            return self._timeout()
        detail = self._hidden(str(cause) or type(cause).__name__)
        return TryFailed(f"connection: {detail}", connected=connected)

    def _fault(self, error: APIStatusError) -> TryFailed | ChatServerError:
        """Return what a 4xx or 5xx means: a failed try, a refused request, or the end of the run."""
        code = error.status_code
        detail = self._hidden(error_text(error.response.content))
        if code >= 500 or (code in _RETRIED and "insufficient_quota" not in detail):
            wait_s = retry_after_s(error.response.headers.get("retry-after"))
            return TryFailed(f"http_{code}: {detail}", wait_s=wait_s, crowded=code in _CROWDED)
        advice = _ADVICE.get(code, "check base URL, model and account")
        said = f" (it said: {detail})" if detail else ""
        end_of_run = ChatServerError(f"{self._base_url} answered {code}: {advice}{said}")
        return RequestRefused(code, detail, end_of_run) if code in ROW_CODES else end_of_run

    def _hidden(self, text: str) -> str:
        """Return a text without the API key: some servers quote the key that they refuse."""
        secret = self._api_key.get_secret_value()
        return text.replace(secret, "***") if secret and secret != NO_KEY else text


def _model_names(body: bytes) -> list[str] | None:
    try:
        return sorted(str(object_of(model)["id"]) for model in list_of(object_of(decode_json(body))["data"]))
    except (ValueError, KeyError, TypeError):
        return None


def _kinds(error: BaseException) -> set[str]:
    """Return the names of an error's classes: of the one beneath where aiohttp raised it, whose are more exact.

    `openai` 3 calls a connection that was reset a time-out of connecting.
    """
    origin = error.__cause__
    beneath = origin is not None and type(origin).__module__.startswith("aiohttp")
    return {kind.__name__ for kind in type(origin if beneath else error).__mro__}


def _out_of_files(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
