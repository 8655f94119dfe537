"""What a user edits about language models: servers, sampling per stage, prices, budget (`chat` in codeio.yaml).

What lives here: the fields, their defaults and rules. What does not: reading the file (`settings`), connecting to
servers (`resources`), secrets (environment only).
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from codeio_assets.core.settings.model_families import FAMILIES, family_of

Relative = Annotated[Path, Field(strict=False)]
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Part(BaseModel):
    """A part of a settings file: no unknown fields, no silent conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ModelCall(Part):
    """Sampling of one kind of request.

    Source: temperature 0.7, 4,096 tokens (CodeI/O, sec. 3.1).
    """

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(4_096, ge=1)
    seed: int | None = 0
    stop: Texts = Field((), description="texts that end an answer")
    system_messages: Literal["keep", "fold"] = Field(
        "keep", description="fold: system text opens the first user message, for chat templates without system prompts"
    )

    @model_serializer(mode="wrap")
    def _only_what_is_used(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out later fields at their default: the fingerprint of what is made already stays as it is."""
        unused = {"stop": (), "system_messages": "keep"}
        written: dict[str, object] = serialise(self)
        return {name: value for name, value in written.items() if getattr(self, name) != unused.get(name, ...)}


class RequestForm(Part):
    """How the server of a model wants its requests; a preset gives the fields that are not written.

    What is renamed or omitted is not part of a request's key; a folded system role and `extra_body` are.
    """

    preset: str | None = Field(None, description="a family of `core.settings.model_families`; null = by the name")
    rename: dict[str, str] = Field(default_factory=dict, description="e.g. {max_tokens: max_completion_tokens}")
    omit: Texts = Field((), description="parameters that the server refuses, e.g. [temperature, top_p]")
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="e.g. {reasoning_effort: high}, {chat_template_kwargs: {...}}"
    )
    system_role: Literal["keep", "fold", "developer"] = Field(
        "keep", description="fold: system text opens the first user message; developer: OpenAI's newer name"
    )

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, preset: str | None) -> str | None:
        if preset is not None and preset not in FAMILIES:
            raise ValueError(f"{preset!r} is no preset. Known: {', '.join(FAMILIES)}")
        return preset

    def completed(self, model: str) -> "RequestForm":
        """Return the form with what its preset says, or that of the model's name, for fields that are not written."""
        preset = self.preset or family_of(model)
        if preset is None:
            return self
        written = {name: getattr(self, name) for name in self.model_fields_set}
        return RequestForm.model_validate(FAMILIES[preset].form | written)


def _without_credentials(url: str) -> str:
    """Return an address that carries no name, password or key, which would be stored and shown with it."""
    if re.search(r"://[^/?#]*@|[?&](?:[^=&#]*[-_])?(?:api)?(?:key|token|secret|password|sig)=", url, re.IGNORECASE):
        raise ValueError("carries a name, password or key. Put the key into the environment (CODEIO_API_KEY)")
    return url


Address = Annotated[str, AfterValidator(_without_credentials)]


class EndpointSettings(Part):
    """One of several endpoints that serve the model."""

    url: Address = Field(min_length=1, description="up to and with /v1")
    weight: float = Field(1.0, gt=0, description="share of the requests, relative to the others")
    concurrency: int | None = Field(None, ge=1, description="null = that of `chat`")
    api_key_env: str | None = Field(None, description="environment variable with its key; null = CODEIO_API_KEY")


class PriceSettings(Part):
    """Money per million tokens."""

    input: float = Field(0.0, ge=0)
    output: float = Field(0.0, ge=0)
    cached_input: float | None = Field(None, ge=0, description="null = as `input`")


class BudgetSettings(Part):
    """Where a run stops; null = no bound. Tokens are prompt and completion tokens; a day is one of UTC."""

    run_tokens: int | None = Field(None, ge=0)
    run_cost: float | None = Field(None, ge=0)
    day_tokens: int | None = Field(None, ge=0)
    day_cost: float | None = Field(None, ge=0)


class VllmSettings(Part):
    """Servers that a run starts on this machine (`base_url: vllm`)."""

    model_path: str | None = Field(None, description="folder or hub name of the weights; null = `chat.model`")
    python: str | None = Field(None, description="interpreter with vLLM; null = CODEIO_VLLM_PYTHON, or the command")
    replicas: int = Field(1, ge=1)
    gpus_per_replica: int = Field(0, ge=0, description="tensor parallel size; 0 = leave devices alone")
    arguments: Texts = Field((), description="further arguments of `vllm serve`")
    start_timeout_s: float = Field(900, gt=0)
    restarts: int = Field(3, ge=0, description="of a server that dies")


class BatchSettings(Part):
    """How a provider's batch API is used (`requests: batches`)."""

    size: int = Field(10_000, ge=1, le=50_000, description="requests per batch")
    window: str = Field("24h", description="completion window that the provider is asked for")
    poll_s: float = Field(30, gt=0)
    timeout_h: float = Field(48, gt=0)


class Chat(Part):
    """The language model and how it is called.

    `base_url: recorded` replays the journal named below; `base_url: vllm` starts servers for the time of a run.
    """

    base_url: Address = "recorded"
    endpoints: Annotated[tuple[EndpointSettings, ...], Field(strict=False)] = Field(
        (), description="several servers of one model, instead of `base_url`"
    )
    model: str = Field(min_length=1)
    recorded: Relative | None = Field(None, description="journal folder that `base_url: recorded` replays")
    requests: Literal["one_by_one", "batches"] = Field("one_by_one", description="batches: the provider's /v1/batches")
    concurrency: int = Field(16, ge=1, description="requests in flight at most, per endpoint")
    timeout_s: float = Field(600, gt=0, description="of one try")
    deadline_s: float | None = Field(None, gt=0, description="of a request with all tries; null = 3 x timeout_s")
    max_attempts: int = Field(5, ge=1, description="tries per request")
    prompts: Relative | None = Field(None, description="folder with prompt templates of your own")
    prompt_version: Literal["default", "code_first", "state_lines"] = Field(
        "default",
        description="code_first: both directions share all up to the code, which prefix caches like; state_lines: asks "
        "to end each step with a line that is checked against the execution",
    )
    transform: ModelCall = Field(default_factory=lambda: ModelCall.model_validate({}))
    transform_attempts: int = Field(2, ge=1, description="1 = no repair with the error as feedback")
    predict: ModelCall = Field(default_factory=lambda: ModelCall.model_validate({}))
    teacher: Literal["model", "trace"] = Field(
        "model", description="trace: walks through traces as first answers, without a model and without revision"
    )
    samples_per_task: int = Field(0, ge=0, description="answers to each task for its pass rate; 0 = no pass rates")
    revision_turns: int = Field(1, ge=0, description="turns after the first; 0 = CodeI/O, 1 = CodeI/O++")
    max_failed_ratio: float = Field(0.1, ge=0, le=1, description="share of failed requests that a shard may have")
    models: dict[str, RequestForm] = Field(default_factory=dict, description="how a model's server wants requests")
    tokenizer: Relative | None = Field(
        None, description="tokenizer.json, or a folder with one: counts tokens where a server reports none"
    )
    prices: dict[str, PriceSettings] = Field(default_factory=dict, description="by model")
    currency: str = "USD"
    budget: BudgetSettings = Field(default_factory=lambda: BudgetSettings.model_validate({}))
    vllm: VllmSettings = Field(default_factory=lambda: VllmSettings.model_validate({}))
    batches: BatchSettings = Field(default_factory=lambda: BatchSettings.model_validate({}))

    @property
    def form(self) -> RequestForm:
        """How the model's server wants its requests."""
        return self.models.get(self.model, RequestForm.model_validate({})).completed(self.model)

    @model_validator(mode="after")
    def _one_kind_of_server(self) -> Self:
        if self.endpoints and self.base_url not in {"recorded", self.endpoints[0].url}:
            raise ValueError("has both `base_url` and `endpoints`. Keep one of them")
        return self
