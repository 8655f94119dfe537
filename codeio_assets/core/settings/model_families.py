"""How the usual families of models want their requests: presets by name (`chat.models` in codeio.yaml).

What lives here: the presets, and which family a model's name tells. A preset that is taken by the model's name alone
changes only how a request is written, never what is asked, so that answers that were recorded before stay valid.
What does not: the fields (`models`), writing requests (`llm.live.wire`).
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Family:
    """A preset: `form` holds fields of `RequestForm`; `names` matches the models that get it unasked."""

    form: dict[str, object] = field(default_factory=dict[str, object])
    names: str | None = None


FAMILIES: dict[str, Family] = {
    "openai_reasoning": Family(
        {
            "rename": {"max_tokens": "max_completion_tokens"},
            "omit": ["temperature", "top_p", "stop", "logprobs", "top_logprobs"],
        },
        r"(openai/)?(o[134]|gpt-5)([-.].*)?",
    ),
    "claude": Family({"omit": ["top_p", "seed"]}, r"(anthropic/)?claude-.*"),
    "grok_reasoning": Family({"omit": ["stop"]}, r"(x-ai/)?grok-(3-mini|4).*"),
    "deepseek_reasoner": Family({"omit": ["temperature", "top_p", "logprobs", "top_logprobs"]}, r"deepseek-reasoner"),
    "mistral_api": Family(
        {"rename": {"seed": "random_seed"}},
        r"(mistral|ministral|magistral|codestral|devstral)-[a-z0-9-]*(latest|\d{4})",
    ),
    "qwen3_no_thinking": Family({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}),
    "gemma": Family({"system_role": "fold"}),
    "mistral_7b": Family({"system_role": "fold"}),
}
"""What the vendors' documents say of parameters that a model refuses; the last three change what is asked."""


def family_of(model: str) -> str | None:
    """Return the preset that a model's name tells, if any."""
    lowered = model.lower()
    return next((name for name, one in FAMILIES.items() if one.names and re.fullmatch(one.names, lowered)), None)
