"""The leaf: one forked process that confines itself, runs one request of the program, and says what came of it.

What lives here: confinement, loading the program as a module, calling its entry, and framing the outcome. What the
leaf says is believed only as the program's own value or exception: how the leaf ended is for the zygote to tell.
"""

import builtins
import json
import marshal
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, cast

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
    """What a leaf puts on itself before it looks at the program."""

    syscall_filter: SyscallFilter | None
    base_memory_bytes: int
    processes: int
    own_session: bool


class Speaker:
    """Frames what the leaf says; every frame bears the nonce of the request."""

    def __init__(self, nonce: bytes, value_bytes: int, total_bytes: int) -> None:
        self._nonce, self._value_bytes, self._left = nonce, value_bytes, total_bytes

    def say(self, kind: bytes, payload: bytes = b"") -> None:
        """Write one frame."""
        _write_all(RESULTS, _LEAF.pack(self._nonce, kind, len(payload)), payload)

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


class MalformedArguments(Exception):  # noqa: N818
    """The arguments of the call are not the text of a JSON object."""


def run(confinement: Confinement, header: wire.Request, text: bytes, bytecode: bytes, results: int) -> NoReturn:
    """Confine this process, serve the request, and exit."""
    try:
        _confine(confinement, header, results)
    except BaseException:
        os.kill(os.getpid(), signal.SIGUSR1)  # which no confined leaf can do, so that the zygote knows
    try:
        _serve(text, bytecode)
    except BaseException:
        _exit(BROKEN)
    _exit(0)


def _confine(confinement: Confinement, header: wire.Request, results: int) -> None:
    if confinement.own_session:
        os.setsid()
    if results != RESULTS:
        os.dup2(results, RESULTS)
    os.closerange(RESULTS + 1, OPEN_FILES)
    cpu_limit_s = int(header.cpu_s) + 2  # a backstop behind the zygote, which watches the CPU clock
    memory_bytes = confinement.base_memory_bytes + header.memory_bytes
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_limit_s, cpu_limit_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (header.file_bytes, header.file_bytes))
    if not confinement.own_session:  # outside a user namespace all processes of this user would count
        resource.setrlimit(resource.RLIMIT_NPROC, (confinement.processes, confinement.processes))
    if confinement.syscall_filter is not None:
        confinement.syscall_filter.install()


def _serve(text: bytes, bytecode: bytes) -> None:
    request = json.loads(text)
    speaker = Speaker(bytes.fromhex(request["nonce"]), request["output_bytes"], request["total_bytes"])
    turns = range(request["index"], request["index"] + request["draws"])
    clock = None
    if request["clock_s"] is not None:
        clock = surroundings.set_clock(request["clock_s"])
    surroundings.reseed(request["random_seed"], request["index"])
    try:
        function, arguments = _load(request, bytecode, speaker)
    except BaseException as error:
        for _ in turns:
            speaker.say_exception(error)
        return
    for index in turns:
        surroundings.reseed(request["random_seed"], index)
        if clock is not None:
            clock.restart()
        _call(function, arguments, speaker)


def _load(request: dict[str, Any], bytecode: bytes, speaker: Speaker) -> tuple[Callable[..., Any], dict[str, Any]]:
    code = marshal.loads(bytecode) if bytecode else compile(request["code"], "<program>", "exec", 0, True)
    if request["keep_bytecode"]:
        dumped = marshal.dumps(code)
        if len(dumped) <= BYTECODE_BYTES:
            speaker.say(wire.BYTECODE, dumped)
    arguments = _arguments(request["arguments"])
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = sys.modules["__main__"] = module
    exec(code, module.__dict__)
    try:
        function = module.__dict__[request["entry"]]
    except KeyError:
        raise MissingEntry(f"the program defines no {request['entry']!r}") from None
    return function, arguments


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments: Any = json.loads(text)
    except ValueError as error:
        raise MalformedArguments(f"{error}") from None
    if not isinstance(arguments, dict):
        raise MalformedArguments(f"a JSON object is needed, and it is of type {_class_name(type(arguments))}")
    return cast("dict[str, Any]", arguments)


def _call(function: Callable[..., Any], arguments: dict[str, Any], speaker: Speaker) -> None:
    try:
        value = function(**arguments)
    except BaseException as error:
        speaker.say_exception(error)
    else:
        speaker.say_value(value)
