"""Setting a model's reasoning apart from its answer, by the marks that models and servers put around it.

What lives here: the marks, and which of them are marks and not mentions. What does not: fields of a server's message
that hold reasoning (`llm.live.replies`), finding an answer
(`core.method.answers`). Pipeline and commands both come here.
"""

import re
from typing import Final

_PAIRS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<reflection>", "</reflection>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>thought", "<unused95>"),
)
"""How reasoning opens and closes (Qwen, DeepSeek, Seed, Magistral, Kimi, OpenThinker, Command A, MedGemma, prompts)."""
_CLOSING: Final = dict(_PAIRS)
_OPENS: Final = re.compile(r"\s*+(" + "|".join(re.escape(opening) for opening, _ in _PAIRS) + ")")
_CLOSES: Final = re.compile("|".join(re.escape(closing) for _, closing in _PAIRS))
_QUOTES: Final = "`'\"“”‘’«»"

_CHANNEL: Final = re.compile(r"<\|channel\|>\s*+(\w+)[^<]*+(?:<\|constrain\|>[^<]*+)?<\|message\|>")
_HARMONY_END: Final = re.compile(r"<\|(?:return|end|call|start)\|>")
_BARE_HARMONY: Final = re.compile(r"\A\s*+analysis(?=[A-Z\"'(\[{])")
_BARE_FINAL: Final = "assistantfinal"


def split_reasoning(text: str, *, is_finished: bool = True) -> tuple[str, str | None]:
    """Return the answer of a response, and its reasoning if it marks any.

    Reasoning stands at the start, in marks; the opening one may be missing, for chat templates write it. A mark that
    prose merely mentions is none. Reasoning that never closes is all of a response that was cut off, which then has
    no answer; in one that is finished it was left open by mistake, and the answer follows in it somewhere.

    Args:
        text: the response.
        is_finished: whether the model ended it, rather than a limit.
    """
    if "<|channel|>" in text or text.lstrip().startswith("analysis"):
        return _split_channels(text)
    opening = _OPENS.match(text)
    if opening is None:
        closing = next((match for match in _CLOSES.finditer(text) if _is_mark(text, match)), None)
        if closing is None:
            return text, None
        return _rest(text[closing.end() :], text[: closing.start()], is_finished=is_finished)
    ends = re.compile(re.escape(_CLOSING[opening[1]]))
    closing = next((match for match in ends.finditer(text, opening.end()) if _is_mark(text, match)), None)
    if closing is not None:
        thought = text[opening.end() : closing.start()]
        return _rest(text[closing.end() :], thought, is_finished=is_finished)
    inside = text[opening.end() :]
    return (inside.lstrip("\n"), None) if is_finished else ("", inside.strip("\n"))


def _rest(answer: str, thought: str, *, is_finished: bool) -> tuple[str, str]:
    """Return answer and reasoning, where the answer may think again at its start."""
    thought = thought.strip("\n")
    if _OPENS.match(answer):
        answer, more = split_reasoning(answer, is_finished=is_finished)
        return answer, thought if more is None else f"{thought}\n\n{more}"
    return answer.lstrip("\n"), thought


def _is_mark(text: str, match: re.Match[str]) -> bool:
    """Tell a closing mark from the mention of one: it begins or ends a line, or ends a sentence, and is not quoted."""
    before, after = text[: match.start()][-80:], text[match.end() : match.end() + 80]
    if before[-1:] and before[-1:] in _QUOTES and after[:1] and after[:1] in _QUOTES:
        return False
    line_before, line_after = before.rpartition("\n")[2], after.partition("\n")[0]
    return not line_before.strip() or not line_after.strip() or line_before[-1:] in ".!?:)}]*`'\""


def _split_channels(text: str) -> tuple[str, str | None]:
    """Return the final channel of a response in the harmony format, and the others as reasoning."""
    channels = list(_CHANNEL.finditer(text))
    if not channels:
        thought, final, answer = text.partition(_BARE_FINAL)  # the marks were taken out as special tokens
        if not final or not _BARE_HARMONY.match(text):
            return text, None
        return answer.lstrip("\n"), thought.lstrip().removeprefix("analysis").strip("\n")
    ends = [match.start() for match in channels[1:]] + [len(text)]
    parts = [(match[1], _message(text[match.end() : end])) for match, end in zip(channels, ends, strict=True)]
    answers = [part for name, part in parts if name == "final"]
    thoughts = [part for name, part in parts if name != "final"]
    return answers[-1] if answers else "", "\n\n".join(thoughts) if thoughts else None


def _message(text: str) -> str:
    end = _HARMONY_END.search(text)
    return (text[: end.start()] if end else text).strip("\n")
