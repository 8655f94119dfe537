"""Whether a server answers at all what it should: the proof that a refusal or a failure concerns one request only.

What does not live here: when to ask for the proof (`fleet`, `running`), what a refusal says (`refusals`).
"""

import asyncio
from dataclasses import replace

from codeio_assets.llm.contract import ChatRequest
from codeio_assets.llm.live.lanes import Lane
from codeio_assets.llm.live.refusals import SERIES, RequestRefused
from codeio_assets.llm.live.tries import TryFailed

LONG_SERIES = 64
"""After so many refusals in a row a server that answered before is asked for the proof again."""
PROOF_WAITS_S = (0.0, 0.5, 1.5)
"""Before each try: what passes is no proof."""


def harmless(request: ChatRequest) -> ChatRequest:
    """Return a request of the same form that a server answers if it answers anything."""
    messages = tuple(replace(message, content="Answer with the word yes.") for message in request.messages)
    return replace(request, messages=messages)


async def problem_of(lane: Lane, asked: ChatRequest) -> TryFailed | None:
    """Ask up to three times and return what is wrong with an endpoint, None when it answers.

    Raises:
        ChatServerError: it refuses the key or the model.
    """
    problem: TryFailed | None = None
    for wait_s in PROOF_WAITS_S:
        await asyncio.sleep(wait_s)
        try:
            await lane.endpoint.ask(asked)
        except TryFailed as failed:
            problem = failed
            if isinstance(failed, RequestRefused):
                break
        else:
            return None
    return problem


async def prove(lane: Lane, asked: ChatRequest, refusal: RequestRefused) -> None:
    """Return when the refusal of a request concerns it alone, as far as can be told.

    `asked` was answered before, or is harmless. When it is refused too, or when a long series came before any answer,
    every request is refused. No answer at all tells nothing, so that a series decides.

    Raises:
        ChatServerError: every request is refused.
    """
    problem = await problem_of(lane, asked)
    never, count = lane.answered_at is None, lane.refusals_in_a_row
    is_series = never and count >= (LONG_SERIES if problem is None else SERIES)
    if isinstance(problem, RequestRefused) or is_series:
        raise refusal.end_of_run
    lane.is_proven = lane.is_proven or problem is None
