"""The program around a program: runs inside the sandbox, follows one call line by line, and returns what it saw.

Its text is put before the program that it follows (`tracing`), so that it imports the standard library only and knows
nothing of the host. It never calls what the program defines (`__repr__`, `__eq__`, properties), so that following
changes nothing. What it returns is the program's word, like any value. The format is described in
docs/verifiable_tasks.md; what does not live here: reading it with distrust (`core.method.traces`).
"""

import json
import opcode
import sys
import types
from typing import Any

TRACED_FILE = "<traced>"
ITEMS_SHOWN = 64
ITEMS_OF_LONG = 16
TEXT_SHOWN = 400
TEXT_OF_LONG = 80
INTEGER_BITS = 4096
DEPTH = 6
GENERATOR = 0x20 | 0x80 | 0x200
"""Flags of code whose frames return more than once."""
YIELD = opcode.opmap["YIELD_VALUE"]

Value = Any
"""A value of the program, of whatever class."""
Event = dict[str, Any]
"""What is told of one thing that happened."""

_type: Any = type
_dumps = json.dumps
_list_items, _tuple_items, _dict_items = list[Value].__iter__, tuple[Value, ...].__iter__, dict[Value, Value].items
_set_items, _frozen_set_items = set[Value].__iter__, frozenset[Value].__iter__
_class_name, _class_module = type.__dict__["__name__"].__get__, type.__dict__["__module__"].__get__


def plain(value: Value, depth: int = 0) -> object:
    """Return a value as JSON. What JSON has no form for, or is too long, becomes an object with one `~` key first."""
    kind = _type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value.bit_length() <= INTEGER_BITS else {"~int": "long"}
    if kind is str:
        return value if len(value) <= TEXT_SHOWN else {"~str": value[:TEXT_OF_LONG], "length": len(value)}
    if depth > DEPTH:
        return {"~object": _name_of(kind)}
    if issubclass(kind, list | tuple):
        items = _list_items(value) if issubclass(kind, list) else _tuple_items(value)
        return _sequence("~list", [*items], depth)
    if issubclass(kind, dict):
        return _mapping(value, depth)
    if issubclass(kind, set | frozenset):
        return _set([*(_set_items(value) if issubclass(kind, set) else _frozen_set_items(value))], depth)
    return _other(value, kind, depth)


def _sequence(tag: str, items: list[Value], depth: int) -> object:
    if len(items) <= ITEMS_SHOWN:
        return [plain(item, depth + 1) for item in items]
    return {tag: [plain(item, depth + 1) for item in items[:ITEMS_OF_LONG]], "length": len(items)}


def _set(items: list[Value], depth: int) -> object:
    if len(items) > ITEMS_SHOWN:
        return {"~set": [], "length": len(items)}
    return {"~set": sorted((plain(item, depth + 1) for item in items), key=_text)}


def _mapping(value: dict[Value, Value], depth: int) -> object:
    members = [*_dict_items(value)]
    if len(members) > ITEMS_SHOWN:
        shown = members[:ITEMS_OF_LONG]
        return {"~dict": [[plain(k, depth + 1), plain(v, depth + 1)] for k, v in shown], "length": len(members)}
    if all(_type(key) is str and not key.startswith("~") for key, _ in members):
        return {key: plain(item, depth + 1) for key, item in members}
    return {"~dict": [[plain(key, depth + 1), plain(item, depth + 1)] for key, item in members]}


def _other(value: Value, kind: Value, depth: int) -> object:
    if issubclass(kind, int):
        return plain(int.__int__(value), depth)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, str):
        return plain(str.__str__(value), depth)
    if kind is range:
        return {"~range": [value.start, value.stop, value.step]}
    if kind is bytes or kind is bytearray:
        return {"~bytes": bytes(value[:TEXT_OF_LONG]).hex(), "length": len(value)}
    if kind is complex:
        return {"~complex": [value.real, value.imag]}
    if _name_of(kind) == "deque" and _class_module(kind) == "collections":
        return {"~deque": _sequence("~list", [*value], depth)}
    if _class_module(kind) == "numpy":
        return _numpy(value, kind, depth)
    return _object(value, kind, depth)


def _numpy(value: Value, kind: Value, depth: int) -> object:
    size = getattr(value, "size", None)
    if size is not None and size <= ITEMS_SHOWN and hasattr(value, "tolist"):
        listed = value.tolist()
        return plain(listed, depth + 1) if _type(listed) is not kind else {"~object": _name_of(kind)}
    return {"~object": _name_of(kind)}


def _object(value: Value, kind: Value, depth: int) -> object:
    try:
        fields: Value = object.__getattribute__(value, "__dict__")
    except Exception:
        fields = None
    if _type(fields) is not dict or issubclass(kind, type | types.FunctionType | types.ModuleType):
        return {"~object": _name_of(kind)}
    return {"~object": _name_of(kind), "fields": _mapping(fields, depth)}


def _name_of(kind: Value) -> str:
    return _class_name(kind)


def _text(value: Value) -> str:
    return _dumps(value, separators=(",", ":"))


class FollowedFrame:
    """One call: which number it has, what its names held last, and the event of the line that it is at."""

    __slots__ = ("held", "line", "number", "raised", "tracer")

    def __init__(self, tracer: "Tracer", number: int) -> None:
        self.tracer, self.number = tracer, number
        self.held: dict[str, str] = {}
        self.line: Event | None = None
        self.raised = False

    def follow(self, frame: types.FrameType, event: str, argument: Value) -> Value:
        """Take an event of this frame, as `sys.settrace` gives them."""
        if not self.tracer.is_on:
            return None
        if event == "line":
            self._close_line(frame)
            self.raised = False
            self.line = {"event": "line", "frame": self.number, "line": frame.f_lineno}
            self.tracer.add(self.line)
        elif event == "return":
            self._close_line(frame)
            self._return(frame, argument)
        elif event == "exception":
            self._close_line(frame)
            self._raise(frame, argument)
        return self.follow

    def look(self, frame: types.FrameType) -> tuple[dict[str, object], list[str]]:
        """Return the names that hold another value than when last looked at, and those that are gone."""
        held: dict[str, str] = {}
        changed: dict[str, object] = {}
        for name, value in sorted(frame.f_locals.items()):
            if name.startswith("__"):
                continue
            shown = plain(value)
            held[name] = text = _text(shown)
            if self.held.get(name) != text:
                changed[name] = shown
        gone = [name for name in self.held if name not in held]
        self.held = held
        return changed, gone

    def _close_line(self, frame: types.FrameType) -> None:
        if self.line is None:
            return
        changed, gone = self.look(frame)
        if changed:
            self.line["set"] = changed
        if gone:
            self.line["unset"] = sorted(gone)
        self.tracer.count(self.line)
        self.line = None

    def _return(self, frame: types.FrameType, value: Value) -> None:
        if not self.raised:
            is_yield = frame.f_code.co_flags & GENERATOR and frame.f_code.co_code[frame.f_lasti] == YIELD
            kind = "yield" if is_yield else "return"
            self.tracer.add_whole({"event": kind, "frame": self.number, "line": frame.f_lineno, "value": plain(value)})
        if not frame.f_code.co_flags & GENERATOR:
            self.tracer.forget(frame)

    def _raise(self, frame: types.FrameType, argument: Value) -> None:
        kind, error = argument[0], argument[1]
        self.raised = True
        if kind is StopIteration or kind is GeneratorExit:
            return  # how loops over iterators end
        try:
            message = "" if error is None else str.__str__(Exception.__str__(error))[:TEXT_OF_LONG]
        except Exception:
            message = ""
        told = {"event": "exception", "frame": self.number, "line": frame.f_lineno}
        self.tracer.add_whole({**told, "type": _name_of(kind), "message": message})


class Tracer:
    """Collects the events of one call until it ends or a bound is reached."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.events: list[Event] = []
        self.is_on = False
        self.is_cut = False
        self._left_events, self._left_bytes = max_events, max_bytes
        self._frames: dict[int, FollowedFrame] = {}
        self._numbers = 0

    def run(self, function: Value, arguments: dict[str, Value]) -> Event:
        """Call a function, and return its trace and value, or its trace and that it raised."""
        self.is_on = True
        ended: Event = {"ended": "return"}
        sys.settrace(self._enter)
        try:
            ended["result"] = function(**arguments)
        except BaseException as error:
            ended = {"ended": "exception", "type": _name_of(_type(error))}
        finally:
            sys.settrace(None)
            self.is_on = False
        return {"version": 1, "complete": not self.is_cut, "events": self.events, **ended}

    def add(self, event: Event) -> None:
        """Take an event that is not whole yet."""
        if self._left_events <= 0 or self._left_bytes <= 0:
            self._cut()
            return
        self._left_events -= 1
        self.events.append(event)

    def count(self, event: Event) -> None:
        """Count the bytes of an event that is whole now."""
        self._left_bytes -= len(_text(event))

    def add_whole(self, event: Event) -> None:
        """Take an event."""
        self.add(event)
        self.count(event)

    def forget(self, frame: types.FrameType) -> None:
        """Let go of a frame that has returned."""
        self._frames.pop(id(frame), None)

    def _cut(self) -> None:
        self.is_cut, self.is_on = True, False
        sys.settrace(None)

    def _enter(self, frame: types.FrameType, event: str, _: Value) -> Value:
        code = frame.f_code
        if not self.is_on or event != "call" or code.co_filename != TRACED_FILE or code.co_name.startswith("<"):
            return None
        known = self._frames.get(id(frame))
        if known is not None and code.co_flags & GENERATOR:  # a generator goes on
            return known.follow
        self._numbers += 1
        followed = self._frames[id(frame)] = FollowedFrame(self, self._numbers)
        told: Event = {"event": "call", "frame": self._numbers, "line": frame.f_lineno, "name": code.co_name}
        caller = self._caller(frame)
        if caller:
            told["caller"] = caller
        told["set"], _gone = followed.look(frame)
        self.add_whole(told)
        return followed.follow

    def _caller(self, frame: types.FrameType) -> int | None:
        above = frame.f_back
        while above is not None:
            if id(above) in self._frames and above.f_code.co_filename == TRACED_FILE:
                return self._frames[id(above)].number
            above = above.f_back
        return None


def load(code: str) -> dict[str, Value]:
    """Load a program as the sandbox does, under a file name that tells its frames apart; return its names."""
    module = types.ModuleType("program")
    sys.modules["program"] = sys.modules["__main__"] = module
    exec(compile(code, TRACED_FILE, "exec", 0, True), module.__dict__)
    return module.__dict__
