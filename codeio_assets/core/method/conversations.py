"""Conversations as chat templates want them.

What lives here: folding system messages into the first one of the user, for templates that know no system prompt
(Gemma, Mistral 7B). What does not: templates themselves (`training.process.chat`).
"""

import json
from collections.abc import Sequence

Turn = tuple[str, str]
"""Role and text."""


def fold_system(turns: Sequence[Turn]) -> list[Turn]:
    """Return a conversation without system messages: their text opens the first message of the user."""
    system = [text for role, text in turns if role == "system"]
    others = [turn for turn in turns if turn[0] != "system"]
    at = next((place for place, (role, _) in enumerate(others) if role == "user"), None)
    if not system or at is None:
        return list(turns)
    others[at] = ("user", "\n\n".join([*system, others[at][1]]))
    return others


def fold_system_json(messages_json: str) -> str:
    """Return a JSON list of messages with `role` and `content`, folded."""
    turns = [(message["role"], message["content"]) for message in json.loads(messages_json)]
    return json.dumps([{"role": role, "content": text} for role, text in fold_system(turns)], ensure_ascii=False)
