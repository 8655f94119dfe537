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
from typing import Any, NamedTuple, NoReturn

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

from . import surroundings, values, wire  # noqa: E402  (after the line above, so that they are loaded like us)
from .kernel import SyscallFilter  # noqa: E402

RESULTS = 3
"""The descriptor that outcomes leave through; all others but the standard three are closed."""
OPEN_FILES = 64
MODULE_NAME = "program"
MESSAGE_CHARACTERS = 1000
BROKEN = 70
"""Exit code of a leaf whose own work failed: the program disturbed it."""
BYTECODE_BYTES = 1 << 20

_write_all, _exit, _encode = wire.write_all, os._exit, values.encode
_LEAF, _class_name = wire.LEAF, type.__dict__["__name__"].__get__


class Confinement(NamedTuple):
    """What a leaf puts on itself before it looks at the program; `limits` are what `setrlimit` takes."""

    syscall_filter: SyscallFilter | None
    limits: tuple[tuple[int, tuple[int, int]], ...]
    own_session: bool


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
        serve(body, RESULTS)
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


def serve(body: memoryview | bytes, into: int) -> None:
    """Do one task, and write what comes of it to a descriptor."""
    task = wire.Task._make(marshal.loads(body))
    speaker = Speaker(task, into)
    clock = None
    if task.clock_s is not None:
        clock = surroundings.set_clock(task.clock_s)
    surroundings.reseed(task.random_seed, task.first)
    try:
        function = _load(task, speaker)
    except BaseException as error:
        for _ in task.calls:
            speaker.say_exception(error)
        return
    for index, arguments in enumerate(task.calls, task.first):
        surroundings.reseed(task.random_seed, index)
        if clock is not None:
            clock.restart()
        _call(function, arguments, speaker)


def _load(task: wire.Task, speaker: Speaker) -> Callable[..., Any]:
    code = marshal.loads(task.bytecode) if task.bytecode else compile(task.code, "<program>", "exec", 0, True)
    if task.keep_bytecode:
        dumped = marshal.dumps(code)
        if len(dumped) <= BYTECODE_BYTES:
            speaker.say(wire.BYTECODE, dumped)
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = sys.modules["__main__"] = module
    exec(code, module.__dict__)
    try:
        return module.__dict__[task.entry]
    except KeyError:
        raise MissingEntry(f"the program defines no {task.entry!r}") from None


def _call(function: Callable[..., Any], arguments: dict[str, Any], speaker: Speaker) -> None:
    try:
        value = function(**arguments)
    except BaseException as error:
        speaker.say_exception(error)
    else:
        speaker.say_value(value)
