"""The sentences of a walk through a trace: what happens at one step, in plain English, in one of several wordings.

What does not live here: which steps are told (`trace_walk`), expressions in words (`expression_words`), the whole text
(`trace_teacher`).
"""

import ast
import json
from collections.abc import Callable, Mapping
from typing import Final, cast

from codeio_assets.core.method.expression_words import condition_in_words, in_words
from codeio_assets.core.method.trace_walk import Step
from codeio_assets.core.values.canonical import Json

LONGEST_VALUE: Final = 160
NAMES_TOLD: Final = 4
WORDINGS: Final[dict[str, tuple[str, ...]]] = {
    "start": (
        "We start with {names}.",
        "At the beginning {names}.",
        "Given: {names}.",
        "The arguments are {names}.",
    ),
    "call": (
        "For this we need `{name}` with {names}.",
        "Here `{name}` comes in, with {names}.",
        "Let us work out `{name}` for {names}.",
        "This calls for `{name}` with {names}.",
    ),
    "call_plain": ("For this we need `{name}`.", "Here `{name}` comes in.", "Let us work out `{name}`."),
    "assign": ("Now {names}.", "This makes {names}.", "So {names}.", "We get {names}.", "Then {names}."),
    "assign_from": (
        "Taking {words} gives {names}.",
        "With {words} we have {names}.",
        "{names}, that is {words}.",
        "We take {words}, so {names}.",
    ),
    "changes": ("After this {names}.", "Now {names}.", "That leaves {names}.", "So by now {names}."),
    "round": (
        "Next in the loop: {names}.",
        "The loop goes on with {names}.",
        "Another round, with {names}.",
        "Take {names}.",
    ),
    "round_plain": ("The loop goes on.", "There is another round."),
    "loop_ends": (
        "The loop is done.",
        "Nothing is left for the loop.",
        "That was the last round.",
        "The loop ends here.",
    ),
    "holds": (
        "It holds that {words}.",
        "We see that {words}.",
        "Here {words}, so we go that way.",
        "We check: {words}. Yes.",
    ),
    "fails": (
        "It is not so that {words}.",
        "We check whether {words}. No.",
        "That {words} does not hold.",
        "Is it so that {words}? It is not.",
    ),
    "goes_on": ("As {words}, the loop goes on.", "Since {words}, there is another round.", "Still {words}."),
    "stops": ("It no longer holds that {words}, so the loop ends.", "The loop ends, for it is not so that {words}."),
    "test_holds": ("The condition holds.", "The check succeeds.", "Yes, this is the case."),
    "test_fails": ("The condition does not hold.", "The check fails.", "No, this is not the case."),
    "leaves": ("So we leave the loop.", "This ends the loop early.", "Here the loop stops."),
    "skips": ("We go on with the next round.", "The rest of this round is left out."),
    "returns": ("So `{name}` gives {value}.", "Thus `{name}` comes to {value}.", "That means `{name}` is {value}."),
    "result": (
        "The result is {value}.",
        "So the output is {value}.",
        "Altogether we get {value}.",
        "This gives {value}.",
    ),
    "raises": ("This fails with {type}.", "Here a {type} comes up.", "That is not possible: {type}."),
    "skipped": (
        "It goes on like this for {count} more rounds, after which {names}.",
        "{count} further rounds work the same way; then {names}.",
        "After {count} more rounds of this kind {names}.",
    ),
    "skipped_plain": ("It goes on like this for {count} more rounds.", "{count} further rounds work the same way."),
}

Pick = Callable[[str, int], int]
"""(kind of sentence, how many wordings) -> which one."""


class TraceWords:
    """Words the steps of one trace, one after the other; `pick` chooses among wordings.

    `untold` counts the steps so far that changed something too long or too strange to be told.
    """

    def __init__(self, pick: Pick) -> None:
        self.untold = 0
        self._pick = pick
        self._names: dict[int, str] = {}
        self._held: dict[int, dict[str, Json]] = {}

    def sentence(self, step: Step, root: int) -> str:
        """Return what a step says, or nothing where it would say nothing new."""
        before = self._skipped(step) if step.skipped else ""
        event = step.event
        self._held.setdefault(event.frame, {}).update({**step.after, **event.set})
        match event.kind:
            case "call":
                told = self._call(step, root)
            case "line":
                told = self._line(step)
            case "return":
                told = self._return(step, root)
            case "exception":
                told = self._say("raises", type=f"`{(event.error or ('error', ''))[0]}`")
            case "yield":
                told = ""
        return " ".join(part for part in (before, told) if part)

    def _say(self, kind: str, **values: str) -> str:
        wordings = WORDINGS[kind]
        return wordings[self._pick(kind, len(wordings))].format(**values)

    def _skipped(self, step: Step) -> str:
        names = told_names(step.after)
        return self._say("skipped" if names else "skipped_plain", count=str(step.skipped), names=names)

    def _call(self, step: Step, root: int) -> str:
        self._names[step.event.frame] = step.event.name
        names = told_names(step.event.set)
        if step.event.frame == root:
            return self._say("start", names=names) if names else ""
        return self._say("call" if names else "call_plain", name=step.event.name, names=names)

    def _return(self, step: Step, root: int) -> str:
        value = told_value(step.event.value)
        if step.event.frame == root:
            return self._say("result", value=value or "as required")
        if value is None or step.event.value is None:
            return ""
        return self._say("returns", name=self._names.get(step.event.frame, "it"), value=value)

    def _line(self, step: Step) -> str:
        match step.statement:
            case ast.For():
                return self._for(step, step.statement)
            case ast.While() | ast.If():
                return self._test(step, step.statement)
            case ast.Break():
                return self._say("leaves")
            case ast.Continue():
                return self._say("skips")
            case ast.Return() | ast.FunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom() | ast.Pass():
                return ""
            case _:
                return self._assigned(step)

    def _for(self, step: Step, statement: ast.For) -> str:
        if not step.enters:
            return self._say("loop_ends")
        held = self._held[step.event.frame]
        targets = [node.id for node in ast.walk(statement.target) if isinstance(node, ast.Name)]
        names = told_names({name: held[name] for name in targets if name in held})
        return self._say("round" if names else "round_plain", names=names)

    def _test(self, step: Step, statement: ast.While | ast.If) -> str:
        words = condition_in_words(statement.test)
        is_loop = isinstance(statement, ast.While)
        if words is None or isinstance(statement.test, ast.Constant):
            return self._say("test_holds" if step.enters else "test_fails")
        if is_loop:
            return self._say("goes_on" if step.enters else "stops", words=words)
        return self._say("holds" if step.enters else "fails", words=words)

    def _assigned(self, step: Step) -> str:
        names = told_names(step.event.set)
        if not names:
            is_stored = isinstance(step.statement, ast.Assign | ast.AugAssign)  # into what is too long to be seen whole
            self.untold += bool(step.event.set) or is_stored
            return ""
        words = _source_of(step.statement)
        if words is None or len(step.event.set) != 1:
            return self._say("assign" if isinstance(step.statement, ast.Assign) else "changes", names=names)
        return self._say("assign_from", words=words, names=names)


def _source_of(statement: ast.stmt | None) -> str | None:
    """Return in words where an assignment takes its value from; None for a plain value, which needs no words."""
    if isinstance(statement, ast.AugAssign):
        return in_words(ast.BinOp(_loaded(statement.target), statement.op, statement.value))
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        is_plain = isinstance(statement.value, ast.Constant | ast.List | ast.Dict | ast.Tuple | ast.Name)
        return None if is_plain else in_words(statement.value)
    return None


def _loaded(target: ast.expr) -> ast.expr:
    return ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else target


def told_names(values: Mapping[str, Json]) -> str:
    """Return "`a` = 1 and `b` = 2" of the names whose values can be told; nothing where there is none."""
    told = [(name, told_value(value)) for name, value in values.items()]
    parts = [f"`{name}` = {value}" for name, value in told if value is not None][:NAMES_TOLD]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def told_value(value: Json) -> str | None:
    """Return a value of a trace as text; None where it is no plain value, or too long to be told."""
    shown = _plain(value)
    if shown is _UNTOLD:
        return None
    text = json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE and text.isprintable() else None


_UNTOLD: Final = object()


def _plain(value: Json) -> object:
    """Return a value with sets and queues as lists, or `_UNTOLD` where it is of a kind that has no such form."""
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return _UNTOLD if _UNTOLD in items else items
    if not isinstance(value, dict):
        return value
    for tag in ("~set", "~deque"):
        if tag in value:
            return _UNTOLD if "length" in value else _plain(value[tag])
    if "~dict" in value:
        return _keyed(value)
    inner = {key: _plain(item) for key, item in value.items()}
    is_told = _UNTOLD not in inner.values() and not any(key.startswith("~") for key in inner)
    return inner if is_told else _UNTOLD


def _keyed(members: dict[str, Json]) -> object:
    """Return a mapping with keys other than texts as an object, where all keys are numbers, texts or truth values."""
    entries = cast("list[list[Json]]", members["~dict"])
    if "length" in members or not all(isinstance(key, str | int | float) for key, _ in entries):
        return _UNTOLD
    inner = {key if isinstance(key, str) else json.dumps(key): _plain(item) for key, item in entries}
    return _UNTOLD if _UNTOLD in inner.values() else inner
