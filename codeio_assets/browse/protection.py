"""What keeps the pages to the person at this machine: foreign names, foreign origins, scripts in what strangers wrote.

The texts shown come from models and from the web. Nothing of them is markup (templates escape), no page runs a script
that is not our one file, and nothing may be posted from elsewhere. `refusal` stands before Dagster's UI as well
(`operating.guarded_ui`). What does not live here: isolation of code that is run (`sandbox`).
"""

import os
import re
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
ALLOWED_HOSTS: Final = "CODEIO_ALLOWED_HOSTS"
"""The variable that names further hosts, separated by commas, for a server that listens elsewhere."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY: Final = "sandbox allow-scripts; frame-ancestors 'none'"
"""Reports bring a policy of their own; here they get an origin of their own, which reaches nothing of ours."""
LONGEST_BODY: Final = 4 << 20
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Refuses requests by foreign names or origins, and sets the headers that browsers protect by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on to the pages."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reason = refusal(scope) or _refused_form(scope)
        if reason:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)
            return
        policy = REPORT_POLICY if str(scope["path"]).startswith("/reports/") else POLICY

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_protected)


def refusal(scope: Scope) -> str | None:
    """Return why a request or a websocket is refused, None when it is not.

    Refused are names that are not this machine's (a page of a stranger whose name was pointed here would have one) and
    what pages of other sites send or embed; that somebody follows a link to here is not.
    """
    headers = Headers(scope=scope)
    host = headers.get("host", "").lower()
    match = _HOST.fullmatch(host)
    if match is None or match["name"] not in allowed_hosts():
        return (
            "This is for the machine that it runs on: open it as http://127.0.0.1 (with its port), or name the host in "
            f"{ALLOWED_HOSTS}."
        )
    origin = headers.get("origin")
    if origin is not None:
        same = origin.lower() in {f"http://{host}", f"https://{host}"}
        return None if same else "Only this site's own pages may send this."
    if headers.get("sec-fetch-site", "none") in {"same-origin", "none"} or _is_a_link(scope, headers):
        return None
    return "Only this site's own pages may load this."


def allowed_hosts() -> frozenset[str]:
    """Return the names under which the pages may be asked for: this machine's, and those of `ALLOWED_HOSTS`."""
    named = (name.strip().lower() for name in os.environ.get(ALLOWED_HOSTS, "").split(","))
    return LOOPBACK | {name for name in named if name}


def _is_a_link(scope: Scope, headers: Headers) -> bool:
    by = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return scope.get("method") in _READING and by == ("navigate", "document")


def _refused_form(scope: Scope) -> str | None:
    if scope["method"] in _READING:
        return None
    headers = Headers(scope=scope)
    if headers.get("origin") is None:
        return "Only this site's own pages may send this."
    if int(headers.get("content-length") or 0) > LONGEST_BODY:
        return f"That is more than {LONGEST_BODY >> 20} MiB."
    return None


def new_token() -> str:
    """Return a secret that the forms of this process carry."""
    return secrets.token_urlsafe(24)
