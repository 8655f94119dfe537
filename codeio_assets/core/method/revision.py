"""CodeI/O++: which predictions get another turn, and what the next request says (CodeI/O, sec. 2.5).

What does not live here: the feedback texts (`core.method.verdicts`), asking and judging (`steps.verdicts`).
"""

from codeio_assets.core.prompts import Prompt

ANSWER_FORMS = {
    "output": '{"output": <your output>}',
    "input": '{"input": {<argument name>: <value>, ...}}',
}
NEEDS_REVISION = frozenset({"wrong", "exception", "timeout", "out_of_memory", "no_answer"})
"""Verdicts that blame the answer. `correct` is done, and `infrastructure` never becomes feedback."""


def next_messages(
    conversation: list[tuple[str, str]], response: str, feedback: str, direction: str, prompt: Prompt
) -> list[tuple[str, str]]:
    """Return the conversation of the next turn: so far, the response, and the feedback with the request to redo it."""
    asked = prompt.fill(feedback=feedback, answer_form=ANSWER_FORMS[direction])
    return [*conversation, ("assistant", response), *asked]
