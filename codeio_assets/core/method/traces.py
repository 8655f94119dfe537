"""Traces of executions: reading what the sandbox said, and what a trace tells of names and lines.

What lives here: typed records of a trace (format version 1, docs/verifiable_tasks.md). What does not: making traces
(`sandbox.tracing`), wording them (`trace_wording`), asking about them (`step_questions`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

from codeio_assets.core.values.canonical import Json, canonical_json, written_json

EventKind = Literal["call", "line", "return", "yield", "exception"]
KINDS: Final = frozenset(get_args(EventKind))
FORMAT_VERSION: Final = 1


class MalformedTrace(ValueError):  # noqa: N818
    """A text is no trace of this format; the message says where."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, in the order of its beginning.

    `frame` numbers calls from 1; `caller` is the frame that called (of a call); `line` counts from 1 in the code. `set`
    holds the arguments of a call, or the names that a line gave another value, with the value when the line was done;
    names that are not there kept theirs. `unset` are the names that the line took away. `value` is what a call
    returned or yielded, `error` the type and message of an exception.
    """

    kind: EventKind
    frame: int
    line: int
    name: str = ""
    caller: int | None = None
    set: Mapping[str, Json] = field(default_factory=dict[str, Json])
    unset: tuple[str, ...] = ()
    value: Json = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A call from its beginning to its end; `is_complete` unless a bound cut the events short.

    `result_json` is what the call returned as JSON, keys in their order, None if it raised.
    """

    events: tuple[Event, ...]
    is_complete: bool
    result_json: str | None

    @property
    def root(self) -> int:
        """Number of the frame of the call itself."""
        return self.events[0].frame


def read_trace(text: str) -> Trace:
    """Return the trace in a JSON text.

    Raises:
        MalformedTrace: it is none.
    """
    try:
        content: Json = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedTrace("no JSON") from None
    if not isinstance(content, dict):
        raise MalformedTrace("no object")
    if content.get("version") != FORMAT_VERSION:
        raise MalformedTrace(f"format version {content.get('version')!r} instead of {FORMAT_VERSION}")
    events = content.get("events")
    if not isinstance(events, list) or not events:
        raise MalformedTrace("no events")
    read = tuple(_event(number, event) for number, event in enumerate(events))
    returned = content.get("ended") == "return" and "result" in content
    result = written_json(content["result"]) if returned else None
    return Trace(read, content.get("complete") is True, result)


def _event(number: int, event: Json) -> Event:
    match event:
        case {"event": str(kind), "frame": int(frame), "line": int(line), **rest} if kind in KINDS:
            return _filled(number, cast("EventKind", kind), frame, line, rest)
        case _:
            raise MalformedTrace(f"event {number} lacks its kind, frame or line")


def _filled(number: int, kind: EventKind, frame: int, line: int, rest: dict[str, Json]) -> Event:
    changed, unset, name = rest.get("set", {}), rest.get("unset", []), rest.get("name", "")
    if not (isinstance(changed, dict) and isinstance(unset, list) and isinstance(name, str)):
        raise MalformedTrace(f"event {number} has a field of the wrong type")
    error = (str(rest.get("type", "")), str(rest.get("message", ""))) if kind == "exception" else None
    caller = rest.get("caller")
    return Event(
        kind=kind,
        frame=frame,
        line=line,
        name=name,
        caller=caller if isinstance(caller, int) else None,
        set=changed,
        unset=tuple(str(gone) for gone in unset),
        value=rest.get("value"),
        error=error,
    )


def lines_of(trace: Trace, frame: int) -> Iterator[tuple[int, Event]]:
    """Yield the line events of a frame with their place among all events."""
    for place, event in enumerate(trace.events):
        if event.kind == "line" and event.frame == frame:
            yield place, event


def times_run(trace: Trace, frame: int) -> dict[int, int]:
    """Return line -> how often a frame ran it."""
    counts: dict[int, int] = {}
    for _, event in lines_of(trace, frame):
        counts[event.line] = counts.get(event.line, 0) + 1
    return counts


def values_by_name(trace: Trace) -> dict[str, set[str]]:
    """Return name -> every value that it ever had in any frame, as canonical JSON; what is called has its results."""
    values: dict[str, set[str]] = {}
    names: dict[int, str] = {}
    for event in trace.events:
        if event.kind == "call":
            names[event.frame] = event.name
        for name, value in event.set.items():
            values.setdefault(name, set()).add(canonical_json(value))
        if event.kind in ("return", "yield"):
            values.setdefault(names.get(event.frame, ""), set()).add(canonical_json(event.value))
    values.pop("", None)
    return values


def is_plain(value: Json) -> bool:
    """Tell whether a value of a trace is the value itself, and not a stand-in for what JSON has no form for."""
    if isinstance(value, dict):
        members = cast("dict[str, Json]", value)
        return not any(name.startswith("~") for name in members) and all(map(is_plain, members.values()))
    if isinstance(value, list):
        return all(map(is_plain, cast("list[Json]", value)))
    return True
