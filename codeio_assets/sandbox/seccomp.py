"""The two system call filters, assembled as BPF programs.

What lives here: what a zygote may ask of the kernel (a list of what is allowed) and what a leaf may no longer ask (a
short list of what is denied on top, since it is installed once per call). What does not: installing them.
Source: seccomp(2), linux/bpf_common.h; numbers in `syscall_numbers`.
"""

import errno
import platform
from collections.abc import Iterable, Sequence
from struct import Struct

from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.sandbox.syscall_numbers import SYSCALL_NUMBERS

_INSTRUCTION = Struct("<HBBI")
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_AUDIT_MACHINE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NEWEST_NUMBER = 440

_CLONE_THREAD = 0x00010000
_CLONE_NEW_NAMESPACE = 0x7E020080
_IOCTL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 36, 1030, 1031, 1032, 1033, 1034)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_OFD_GETLK, F_DUPFD_CLOEXEC, pipe sizes and seals: no way to
send a signal without `kill`, and no lease."""
_FCNTL_LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and the same for open files."""

_ZYGOTE_ONLY = ("fork", "vfork", "execve", "kill", "tgkill", "setsid", "prctl", "seccomp", "setrlimit")
_CONDITIONAL = ("clone", "clone3", "ioctl", "fcntl", "flock", "prlimit64", "utimensat")


def _one(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_false, operand)


def _fail(error: int) -> bytes:
    return _one(_RETURN, _FAIL | error)


def _on_number(number: int, then: bytes) -> bytes:
    """Run `then`, which must return, on this system call."""
    return _one(_EQUAL, number, 0, len(then) // _INSTRUCTION.size) + then


def _load_argument(index: int, *, high: bool = False) -> bytes:
    return _one(_LOAD, _ARGUMENTS_AT + 8 * index + 4 * high)


def _numbers(names: Iterable[str], machine: str) -> list[int]:
    table = SYSCALL_NUMBERS[machine]
    return [table[name] for name in names if name in table]


def _machine(machine: str | None) -> str:
    machine = machine or platform.machine()
    if machine not in SYSCALL_NUMBERS:
        raise SandboxUnavailable(
            f"no system call filter for {machine!r} machines; there is one for {' and '.join(SYSCALL_NUMBERS)}"
        )
    return machine


def zygote_filter(machine: str | None = None) -> bytes:
    """Return the filter that the worker starts under: everything not listed fails with EPERM.

    Raises:
        SandboxUnavailable: there are no numbers for this kind of machine.
    """
    machine = _machine(machine)
    table = SYSCALL_NUMBERS[machine]
    allow = _one(_RETURN, _ALLOW)
    program = _one(_LOAD, _MACHINE_AT) + _one(_EQUAL, _AUDIT_MACHINE[machine], 1, 0) + _one(_RETURN, _KILL)
    program += _one(_LOAD, _NUMBER_AT) + _one(_AT_LEAST, _X32_BIT, 0, 1) + _one(_RETURN, _KILL)
    for number in _numbers((name for name in table if name not in _CONDITIONAL), machine):
        program += _on_number(number, allow)
    program += _on_number(table["prlimit64"], allow)
    program += _on_number(
        table["clone"],
        _load_argument(0) + _one(_ANY_BIT, _CLONE_NEW_NAMESPACE, 0, 1) + _fail(errno.EPERM) + allow,
    )
    program += _on_number(table["ioctl"], _load_argument(1) + _allow_any_of(_IOCTL_REQUESTS))
    # "Now" may be set by whoever can write, and so on a device that all share; other times only by the owner.
    program += _on_number(table["utimensat"], _refuse_null(2))
    # A lock on a file that others see would be felt by them. A call is alone with its files, so that a lock on one is
    # as good as taken: it succeeds, and does nothing.
    program += _on_number(table["flock"], _fail(0))
    program += _on_number(table["fcntl"], _load_argument(1) + _lock_nothing() + _allow_any_of(_FCNTL_COMMANDS))
    # The C library falls back to older calls on ENOSYS: threads from clone3 to clone, whose flags can be looked at.
    program += _on_number(table["clone3"], _fail(errno.ENOSYS))
    program += _one(_AT_LEAST, _NEWEST_NUMBER, 0, 1) + _fail(errno.ENOSYS)
    return program + _fail(errno.EPERM)


def _allow_any_of(values: Sequence[int]) -> bytes:
    program = b"".join(_one(_EQUAL, value, len(values) - place) for place, value in enumerate(values))
    return program + _fail(errno.EPERM) + _one(_RETURN, _ALLOW)


def _refuse_null(index: int) -> bytes:
    is_null = _load_argument(index) + _one(_EQUAL, 0, 0, 3) + _load_argument(index, high=True) + _one(_EQUAL, 0, 0, 1)
    return is_null + _fail(errno.EPERM) + _one(_RETURN, _ALLOW)


def _lock_nothing() -> bytes:
    return b"".join(_one(_EQUAL, command, 0, 1) + _fail(0) for command in _FCNTL_LOCKS)


def leaf_filter(machine: str | None = None) -> bytes:
    """Return the filter that a leaf adds: no new process, no signal, no change of limits; threads are allowed.

    Raises:
        SandboxUnavailable: there are no numbers for this kind of machine.
    """
    machine = _machine(machine)
    table = SYSCALL_NUMBERS[machine]
    allow, refuse = _one(_RETURN, _ALLOW), _fail(errno.EPERM)
    denied = _numbers(_ZYGOTE_ONLY, machine)
    program = _one(_LOAD, _NUMBER_AT)
    for number in denied:
        program += _on_number(number, refuse)
    thread_only = _load_argument(0) + _one(_ANY_BIT, _CLONE_THREAD, 0, 1) + allow + refuse
    read_only = _load_argument(2) + _one(_EQUAL, 0, 1, 0) + refuse
    read_only += _load_argument(2, high=True) + _one(_EQUAL, 0, 1, 0) + refuse + allow
    return program + _on_number(table["clone"], thread_only) + _on_number(table["prlimit64"], read_only) + allow
