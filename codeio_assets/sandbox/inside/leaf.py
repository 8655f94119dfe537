"""The leaf: one forked process that confines itself, runs one request of the program, and says what came of it.

What lives here: confinement, loading the program as a module, calling its entry, and framing the outcome. What the
leaf says is believed only as the program's own value or exception: how the leaf ended is for the zygote to tell.
"""

import builtins
import marshal
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

from . import stack, surroundings, values, wire  # noqa: E402  (after the line above, so that they are loaded like us)
from .kernel import SyscallFilter  # noqa: E402
from .moved_clock import MovedClock  # noqa: E402

RESULTS = 3
"""The descriptor that outcomes leave through; all others but the standard three are closed."""
OPEN_FILES = 64
MODULE_NAME = "program"
MESSAGE_CHARACTERS = 1000
BROKEN = 70
"""Exit code of a leaf whose own work failed: the program disturbed it."""
BYTECODE_BYTES = 1 << 20

_write_all, _exit, _encode = wire.write_all, os._exit, values.encode
_frame = sys._getframe  # pyright: ignore[reportPrivateUsage]
_LEAF, _class_name = wire.LEAF, type.__dict__["__name__"].__get__


class Confinement(NamedTuple):
    """What a leaf puts on itself before it looks at the program; `limits` are what `setrlimit` takes."""

    syscall_filter: SyscallFilter | None
    limits: tuple[tuple[int, tuple[int, int]], ...]
    own_session: bool
    clock: MovedClock | None


class Speaker:
    """Frames what the leaf says; every frame bears the nonce of the task."""

    __slots__ = ("_into", "_left", "_nonce", "_value_bytes")

    def __init__(self, task: wire.Task, into: int) -> None:
        self._nonce, self._value_bytes, self._left = task.nonce, task.output_bytes, task.total_bytes
        self._into = into

    def say(self, kind: bytes, payload: bytes = b"") -> None:
        """Write one frame."""
        _write_all(self._into, _LEAF.pack(self._nonce, kind, len(payload)), payload)

    def say_value(self, value: Any) -> None:
        """Say a value, or why it cannot be said."""
        try:
            payload = _encode(value, min(self._value_bytes, self._left))
        except values.TooLarge:
            self.say(wire.TOO_LARGE)
        except values.NotSerialisable as refusal:
            self.say(wire.UNSERIALISABLE, _encode(f"{refusal}", self._value_bytes))
        except MemoryError:
            self.say(wire.NO_MEMORY)
        except BaseException as error:
            self.say_exception(error)
        else:
            self._left -= len(payload)
            self.say(wire.VALUE, payload)

    def say_exception(self, error: BaseException) -> None:
        """Say what was raised; its message is left out if the program's own `__str__` fails."""
        if isinstance(error, MemoryError):
            self.say(wire.NO_MEMORY)
            return
        try:
            message = str.__str__(f"{error}")[:MESSAGE_CHARACTERS]
        except BaseException:
            message = None
        self.say(wire.EXCEPTION, _encode([_class_name(type(error)), message], self._value_bytes))


class MissingEntry(Exception):  # noqa: N818  (shown to people as the error's type)
    """The program defines no function of the name that is to be called."""


def run(confinement: Confinement, body: memoryview, results: int) -> NoReturn:
    """Confine this process, serve the task, and exit."""
    try:
        confine(confinement, results, RESULTS)
    except BaseException:
        os.kill(os.getpid(), signal.SIGUSR1)  # which no confined leaf can do, so that the zygote knows
    try:
        serve(body, RESULTS, confinement.clock)
    except BaseException:
        _exit(BROKEN)
    _exit(0)


def confine(confinement: Confinement, results: int, into: int) -> None:
    """Keep the pipe for results, under the descriptor `into`, and give up all else that the program must not have."""
    if confinement.own_session:
        os.setsid()
    if results != into:
        os.dup2(results, into)
    os.closerange(into + 1, OPEN_FILES)
    for which, limit in confinement.limits:
        resource.setrlimit(which, limit)
    if confinement.syscall_filter is not None:
        confinement.syscall_filter.install()


def serve(body: memoryview | bytes, into: int, clock: MovedClock | None) -> None:
    """Do one task, and write what comes of it to a descriptor."""
    task = wire.Task._make(marshal.loads(body))
    speaker = Speaker(task, into)
    if clock is not None and task.clock_s is not None:
        clock.set(task.clock_s, task.clock_leap_s)
    if task.clock_leap_s:
        surroundings.leap(task.clock_leap_s)
    surroundings.reseed(task.random_seed, task.first)
    try:
        function = _load(task, speaker)
    except BaseException as error:
        for _ in task.calls:
            speaker.say_exception(error)
        return
    for index, arguments in enumerate(task.calls, task.first):
        surroundings.reseed(task.random_seed, index)
        if clock is not None and task.clock_s is not None:
            clock.restart()
        _call(function, arguments, speaker)


def _load(task: wire.Task, speaker: Speaker) -> Callable[..., Any]:
    code = _compiled(task, speaker)
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = sys.modules["__main__"] = module
    module.__file__ = sys.argv[0]
    module.__dict__["__loader__"] = _Source(task.code)
    module.__dict__["__builtins__"] = builtins  # its own, which it may change; ours are a copy
    stack.begin_at(_frame(), 0)
    exec(code, module.__dict__)
    try:
        return module.__dict__[task.entry]
    except KeyError:
        raise MissingEntry(f"the program defines no {task.entry!r}") from None


def _compiled(task: wire.Task, speaker: Speaker) -> types.CodeType:
    """Return the program's code. Where the host asked for it, it is said here, before any of it has run, or as nothing.

    The host takes it at this one place, so that a program which has run can say nothing for it.
    """
    dumped = b""
    try:
        code = marshal.loads(task.bytecode) if task.bytecode else compile(task.code, sys.argv[0], "exec", 0, True)
        if task.keep_bytecode:
            with suppress(ValueError, MemoryError):
                dumped = marshal.dumps(code)
    finally:
        if task.keep_bytecode:
            speaker.say(wire.BYTECODE, dumped if len(dumped) <= BYTECODE_BYTES else b"")
    return code


class _Source:
    """The loader of the program, for those who ask for its source (`inspect`, tracebacks): there is no file."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, name: str) -> str:
        """Return the program's text."""
        return self._text


def _call(function: Callable[..., Any], arguments: dict[str, Any], speaker: Speaker) -> None:
    stack.begin_at(_frame(), 1)
    try:
        value = function(**arguments)
    except BaseException as error:
        speaker.say_exception(error)
    else:
        speaker.say_value(value)
