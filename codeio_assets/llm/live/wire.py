"""A request as its server wants it: the body that is sent, and the form that settings give a model.

What lives here: `request_body`, and `FormedClient`, which gives every request the form of its model before it is looked
up or sent. What does not: the fields of a form and its presets (`core.settings`), HTTP (`endpoint`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from codeio_assets.core.settings.models import RequestForm
from codeio_assets.core.values.canonical import JsonLike, canonical_json
from codeio_assets.llm.contract import ChatClient, ChatRequest, ChatResponse, Progress, folded

PLAIN = RequestForm.model_validate({})


def formed(request: ChatRequest, form: RequestForm) -> ChatRequest:
    """Return a request with what its form adds to the question; its key tells it from one without."""
    messages = folded(request.messages) if form.system_role == "fold" else request.messages
    extra = canonical_json(form.extra_body) if form.extra_body else request.extra_body
    return replace(request, messages=messages, extra_body=extra)


def request_body(request: ChatRequest, form: RequestForm = PLAIN) -> dict[str, JsonLike]:
    """Return the body of a chat completion request; parameters that are not used are not sent."""
    sampling = request.sampling
    payload: dict[str, JsonLike] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    if sampling.seed is not None:
        payload["seed"] = sampling.seed
    if sampling.stop:
        payload["stop"] = list(sampling.stop)
    if sampling.n != 1:
        payload["n"] = sampling.n
    if sampling.logprobs is not None:
        payload |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if request.extra_body:
        payload |= json.loads(request.extra_body)
    wanted = {form.rename.get(name, name): value for name, value in payload.items() if name not in form.omit}
    return {"model": request.model, "messages": _messages(request, form), **wanted}


def _messages(request: ChatRequest, form: RequestForm) -> list[dict[str, str]]:
    roles = {"system": "developer"} if form.system_role == "developer" else {}
    return [{"role": roles.get(one.role, one.role), "content": one.content} for one in request.messages]


def formed_client(client: ChatClient, form: RequestForm) -> ChatClient:
    """Return a client that gives every request the form of its model; the same one where the form adds nothing."""
    return FormedClient(client, form) if form.extra_body or form.system_role == "fold" else client


class FormedClient:
    """A chat client whose requests get the form of their model first."""

    def __init__(self, client: ChatClient, form: RequestForm) -> None:
        self._client = client
        self._form = form

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._client.model

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Answer all requests as the wrapped client does; responses carry the keys of the formed requests."""
        return self._client.complete([formed(request, self._form) for request in requests], on_progress)
