"""Which events of a trace a walk through it tells: all of short loops, the first and last rounds of long ones.

What lives here: statements of the code by line, rounds of loops, leaving out. What does not: words (`trace_wording`).
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from codeio_assets.core.method.traces import Event, Trace
from codeio_assets.core.values.canonical import Json

FIRST_ROUNDS: Final = 3
LAST_ROUNDS: Final = 1

Loop = ast.For | ast.While


@dataclass(frozen=True, slots=True)
class Step:
    """An event to tell, with its statement and what comes after it in the same call.

    `enters` tells of a loop or condition whether its body runs next. `skipped` rounds of a loop come before this event,
    after which names hold the values in `after`.
    """

    event: Event
    statement: ast.stmt | None
    enters: bool | None = None
    skipped: int = 0
    after: Mapping[str, Json] = field(default_factory=dict[str, Json])


def statements_by_line(code: str) -> dict[int, ast.stmt]:
    """Return line -> the innermost statement that stands on it; a compound one only on the lines of its head."""
    found: dict[int, ast.stmt] = {}
    for node in ast.walk(ast.parse(code)):  # outer statements come before inner ones
        if isinstance(node, ast.stmt):
            last = node.end_lineno or node.lineno
            body = getattr(node, "body", None)
            if body:
                last = max(node.lineno, body[0].lineno - 1)
            found.update(dict.fromkeys(range(node.lineno, last + 1), node))
    return found


def steps_of(trace: Trace, code: str, until: int | None = None) -> Iterator[Step]:
    """Yield the steps that a walk through the first `until` events of a trace tells, in the order in which they end.

    A line that calls comes after what it calls, so that nothing is told before what it follows from.
    """
    held: Step | None = None
    waiting: dict[int, Step] = {}
    for step in _told_steps(trace, code, until):
        if held is not None:
            if step.event.kind == "call" and step.event.caller == held.event.frame:
                waiting[held.event.frame] = held
            else:
                yield held
            held = None
        if step.event.kind != "call" and step.event.frame in waiting:
            yield waiting.pop(step.event.frame)
        if step.event.kind == "line":
            held = step
        else:
            yield step
    yield from ([held] if held is not None else [])
    yield from reversed(waiting.values())


def _told_steps(trace: Trace, code: str, until: int | None) -> Iterator[Step]:
    statements = statements_by_line(code)
    following = _next_in_frame(trace)
    events = trace.events[:until]
    rounds = _rounds(events, statements)
    skipping: _Skip | None = None
    for place, event in enumerate(events):
        statement = statements.get(event.line) if event.kind == "line" else None
        if skipping is not None:
            if not skipping.ends_at(place, event, rounds):
                skipping.see(event)
                continue
        elif rounds.get(place) in (None, _SHOWN):
            yield Step(event, statement, _enters(statement, following.get(place)))
            continue
        if rounds.get(place) == _HIDDEN:
            skipping = _Skip(event.frame, statement)
            skipping.see(event)
            continue
        done, skipping = skipping, None
        yield Step(
            event,
            statement,
            _enters(statement, following.get(place)),
            done.rounds if done else 0,
            done.held if done else {},
        )


_SHOWN: Final = "shown"
_HIDDEN: Final = "hidden"


class _Skip:
    """Rounds of a loop that are left out, and what names of its call hold after them."""

    def __init__(self, frame: int, statement: ast.stmt | None) -> None:
        self.rounds = 0
        self.held: dict[str, Json] = {}
        self._frame, self._statement = frame, statement

    def see(self, event: Event) -> None:
        if event.frame != self._frame:
            return
        self.held.update(event.set)
        if event.kind == "line" and self._statement is not None and event.line == self._statement.lineno:
            self.rounds += 1

    def ends_at(self, place: int, event: Event, rounds: Mapping[int, str]) -> bool:
        if event.frame != self._frame or event.kind not in ("line", "return"):
            return False
        if event.kind == "return" or place not in rounds:
            return event.kind == "return" or not _is_inside(event.line, self._statement)
        return rounds[place] == _SHOWN and self._statement is not None and event.line == self._statement.lineno


def _next_in_frame(trace: Trace) -> dict[int, Event]:
    """Return place of a line event -> the next line event or the end of the same call."""
    following: dict[int, Event] = {}
    last: dict[int, int] = {}
    for place, event in enumerate(trace.events):
        if event.kind in ("line", "return") and event.frame in last:
            following[last.pop(event.frame)] = event
        if event.kind == "line":
            last[event.frame] = place
    return following


def _rounds(events: Sequence[Event], statements: Mapping[int, ast.stmt]) -> dict[int, str]:
    """Return place of a loop's line event -> whether the round that begins there is shown.

    The rounds of one entry into the loop count together; the last of them may be the look that ends it.
    """
    open_entries: dict[tuple[int, int], list[int]] = {}
    entries: list[list[int]] = []
    for place, event in enumerate(events):
        if event.kind != "line":
            continue
        for frame, line in list(open_entries):
            if frame == event.frame and line != event.line and not _is_inside(event.line, statements.get(line)):
                entries.append(open_entries.pop((frame, line)))
        if isinstance(statements.get(event.line), Loop):
            open_entries.setdefault((event.frame, event.line), []).append(place)
    shown: dict[int, str] = {}
    for places in [*entries, *open_entries.values()]:
        last = len(places) - LAST_ROUNDS - 1
        hides = len(places) > FIRST_ROUNDS + LAST_ROUNDS + 2
        shown |= {
            place: _HIDDEN if hides and FIRST_ROUNDS <= number < last else _SHOWN for number, place in enumerate(places)
        }
    return shown


def _is_inside(line: int, statement: ast.stmt | None) -> bool:
    return statement is not None and statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def _enters(statement: ast.stmt | None, following: Event | None) -> bool | None:
    if not isinstance(statement, ast.For | ast.While | ast.If):
        return None
    if following is None or following.kind != "line":
        return False
    first, last = statement.body[0].lineno, statement.body[-1].end_lineno or statement.body[-1].lineno
    return first <= following.line <= last
