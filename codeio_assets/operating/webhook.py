"""Posting JSON to the webhook that `CODEIO_ALERT_WEBHOOK` names, without secrets, and never at the cost of the caller.

What does not live here: what is worth an alert (`alerts`).
"""

import json
import os
import re
import threading
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from codeio_assets.core.values.canonical import JsonLike

VARIABLE = "CODEIO_ALERT_WEBHOOK"
TIMEOUT_S = 10.0
"""Of a whole post; dagster gives a look of a sensor 60 s."""
SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|(?:^|_)(?:PASS|PWD|PW|AUTH|SAS|DSN|COOKIE|CERT)(?:$|_)|CREDENTIAL|WEBHOOK",
    re.IGNORECASE,
)
SHORTEST_SECRET = 6
HIDDEN = "[hidden]"


def webhook_url() -> str | None:
    """Return the address to post to; None when nothing is to be posted."""
    return os.environ.get(VARIABLE) or None


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text in which no value of a variable that is named like a secret can be read."""
    known = os.environ if environment is None else environment
    secrets = [value for name, value in known.items() if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET]
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return re.sub(r"://[^/\s@]+@", f"://{HIDDEN}@", text)


def post(url: str, payload: Mapping[str, JsonLike], timeout_s: float = TIMEOUT_S) -> str | None:
    """Post a payload and return None, or in words why the receiver did not take it; the address is never told."""
    outcome: list[str | None] = []
    # A thread, because a receiver that sends a byte now and then keeps every time-out of a socket from ending.
    sender = threading.Thread(target=lambda: outcome.append(_send(url, payload, timeout_s)), daemon=True)
    sender.start()
    sender.join(timeout_s)
    return outcome[0] if outcome else f"no answer within {timeout_s:g} s"


def _send(url: str, payload: Mapping[str, JsonLike], timeout_s: float) -> str | None:
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            return f"{VARIABLE} is no http(s) address"
        body = json.dumps(payload).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout_s):
            return None
    except Exception as error:  # whatever a receiver does: an alert is never worth a sensor
        status = getattr(error, "code", None)
        return f"the receiver answered {status}" if status else type(error).__name__
