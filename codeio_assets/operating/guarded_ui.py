"""Dagster's UI behind the guard of our browser: `python -m codeio_assets.operating.guarded_ui dev -w workspace.yaml`.

What lives here: having `dagster dev` start a webserver whose application refuses foreign hosts, other sites, and
mutations by GET, and leaving out what Dagster says at its start that nobody here can act on. What does not: which hosts
and sites (`browse.protection`).

dagster 1.13 takes no middleware of ours, so one name each of `dagster dev` and of its webserver is replaced; where a
later version lacks them, nothing starts.
"""

import logging
import runpy
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from codeio_assets.browse.protection import refusal

NOISE = ("is superseded and its usage is discouraged", "dagster.yaml file will not be used to configure Dagster")
"""Of `dagster dev` itself, and of the shipped dagster.yaml, which `codeio` copies to where it is used."""
BY_GET = "Only queries may be sent by GET."
FORBIDDEN = 1008
"""Policy violation; before a websocket is accepted the client sees a 403."""


class GuardedUi:
    """Refuses what `refusal` does and changes by GET, of requests and websockets alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or pass on to Dagster."""
        reason = None if scope["type"] == "lifespan" else refusal(scope) or _changes_by_get(scope)
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(FORBIDDEN, reason)(scope, receive, send)
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)


def _changes_by_get(scope: Scope) -> str | None:
    if scope.get("method") != "GET":
        return None
    sent = parse_qsl(bytes(scope["query_string"]).decode("latin-1"), keep_blank_values=True)
    return BY_GET if any(_is_a_change(text) for name, text in sent if name == "query") else None


def _is_a_change(query: str) -> bool:
    try:
        definitions = parse(query, no_location=True).definitions
    except GraphQLError:
        return False  # which Dagster answers with an error
    operations = (each for each in definitions if isinstance(each, OperationDefinitionNode))
    return any(operation.operation is not OperationType.QUERY for operation in operations)


def _leave_out_noise() -> None:
    for words in NOISE:
        warnings.filterwarnings("ignore", f".*{words}")
    logging.getLogger("dagster").addFilter(lambda record: not any(words in record.getMessage() for words in NOISE))


def _replace(module: str, name: str, of: Callable[[Any], Any]) -> None:
    owner = import_module(module)
    if not hasattr(owner, name):
        raise SystemExit(f"{module} of this dagster has no {name}, so its UI cannot be guarded. Install dagster 1.13.")
    setattr(owner, name, of(getattr(owner, name)))


def _starting_ours(start: Callable[..., Any]) -> Callable[..., Any]:
    theirs, ours = ["-m", "dagster_webserver"], ["-m", "codeio_assets.operating.guarded_ui", "webserver"]
    guarded: list[bool] = []

    def start_ours(parts: list[str], **options: Any) -> Any:
        if parts[1:3] == theirs:
            guarded.append(True)
            parts = [parts[0], *ours, *parts[3:]]
        if not guarded:
            raise RuntimeError("this dagster starts its UI in another way, and it would not be guarded")
        return start(parts, **options)

    return start_ours


def _behind_the_guard(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_guarded(*arguments: Any, **options: Any) -> Any:
        app = create(*arguments, **options)
        app.add_middleware(GuardedUi)
        return app

    return create_guarded


def main(arguments: Sequence[str]) -> None:
    """Run `dagster dev` or, as its child, the webserver; the rest of the arguments is theirs."""
    what, *rest = arguments
    if what == "dev":
        _replace("dagster._cli.dev", "open_ipc_subprocess", _starting_ours)
        _leave_out_noise()
        sys.argv = ["dagster", "dev", *rest]
        runpy.run_module("dagster", run_name="__main__")
    elif what == "webserver":
        _replace("dagster_webserver.cli", "create_app_from_workspace_process_context", _behind_the_guard)
        sys.argv = ["dagster-webserver", *rest]
        runpy.run_module("dagster_webserver", run_name="__main__")
    else:
        raise SystemExit(f"dev or webserver, not {what!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
