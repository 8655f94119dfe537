"""What keeps the pages to the person at this machine: foreign names, foreign origins, scripts in what strangers wrote.

The texts shown come from models and from the web. Nothing of them is markup (templates escape), no page runs a script
that is not our one file, and nothing may be posted from elsewhere. What does not live here: isolation of code that is
run (`sandbox`).
"""

import secrets
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY: Final = "sandbox allow-scripts; frame-ancestors 'none'"
"""Reports bring a policy of their own; here they get an origin of their own, which reaches nothing of ours."""
LONGEST_BODY: Final = 4 << 20


class Guard:
    """Refuses requests by foreign names or origins, and sets the headers that browsers protect by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on to the pages."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(str(scope["method"]), Headers(scope=scope))
        if refusal:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
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


def _refusal(method: str, headers: Headers) -> str | None:
    """Return why a request is refused, None when it is not."""
    host = headers.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if name not in {known.strip("[]") for known in LOOPBACK}:
        return "This page is for the machine that it runs on: open it as http://127.0.0.1 (with its port).\n"
    if method in {"GET", "HEAD"}:
        return None
    origin = headers.get("origin")
    if origin not in {f"http://{host}", f"https://{host}"}:
        return "Only this site's own pages may send this.\n"
    if int(headers.get("content-length") or 0) > LONGEST_BODY:
        return f"That is more than {LONGEST_BODY >> 20} MiB.\n"
    return None


def new_token() -> str:
    """Return a secret that the forms of this process carry."""
    return secrets.token_urlsafe(24)
