"""The filters, run instruction by instruction as the kernel would."""

import errno
import struct

import pytest

from codeio_assets.sandbox import SandboxUnavailable
from codeio_assets.sandbox.seccomp import leaf_filter, zygote_filter
from codeio_assets.sandbox.syscall_numbers import SYSCALL_NUMBERS

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
MACHINES = sorted(SYSCALL_NUMBERS)


def verdict(program: bytes, machine: int, number: int, *arguments: int) -> int:
    data = struct.pack("<IIQ6Q", number, machine, 0, *arguments, *[0] * (6 - len(arguments)))
    place = loaded = 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("<HBBI", program, place * 8)
        place += 1
        if code == 0x20:
            [loaded] = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            return operand
        else:
            holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[code]
            place += if_true if holds else if_false


def ask(which: str, machine: str, name: str, *arguments: int) -> int:
    program = zygote_filter(machine) if which == "zygote" else leaf_filter(machine)
    return verdict(program, AUDIT[machine], SYSCALL_NUMBERS[machine][name], *arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("which", "name", "arguments", "expected"),
    [
        ("zygote", "read", (), ALLOW),
        ("zygote", "clone", (17,), ALLOW),
        ("zygote", "clone", (0x10000000 | 17,), FAIL | errno.EPERM),
        ("zygote", "clone3", (), FAIL | errno.ENOSYS),
        ("zygote", "ioctl", (1, 0x5421), ALLOW),
        ("zygote", "ioctl", (1, 0x5412), FAIL | errno.EPERM),
        ("zygote", "fcntl", (1, 1), ALLOW),
        ("zygote", "fcntl", (1, 8), FAIL | errno.EPERM),
        ("zygote", "fcntl", (1, 1026), FAIL | errno.EPERM),
        ("leaf", "read", (), ALLOW),
        ("leaf", "clone", (0x003D0F00,), ALLOW),
        ("leaf", "clone", (17,), FAIL | errno.EPERM),
        ("leaf", "execve", (), FAIL | errno.EPERM),
        ("leaf", "kill", (), FAIL | errno.EPERM),
        ("leaf", "tgkill", (), FAIL | errno.EPERM),
        ("leaf", "prctl", (), FAIL | errno.EPERM),
        ("leaf", "seccomp", (), FAIL | errno.EPERM),
        ("leaf", "prlimit64", (0, 9, 0, 4096), ALLOW),
        ("leaf", "prlimit64", (0, 9, 4096, 0), FAIL | errno.EPERM),
        ("leaf", "prlimit64", (0, 9, 1 << 40, 0), FAIL | errno.EPERM),
    ],
)
def test_verdicts(machine: str, which: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert ask(which, machine, name, *arguments) == expected


@pytest.mark.parametrize("number", [41, 49, 101, 165, 175, 246, 248, 272, 298, 310, 319, 321, 323, 425, 434])
def test_dangerous_calls_are_not_listed(number: int) -> None:
    """Sockets, ptrace, mount, modules, kexec, keys, unshare, perf, other memory, memfd, bpf, uffd, io_uring, pidfd."""
    assert verdict(zygote_filter("x86_64"), AUDIT["x86_64"], number) == FAIL | errno.EPERM


def test_other_machines_and_call_tables_kill() -> None:
    assert verdict(zygote_filter("x86_64"), 0x40000003, 0) == KILL
    assert verdict(zygote_filter("x86_64"), AUDIT["x86_64"], 0x40000000) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_unknown_newer_calls_are_not_implemented(machine: str) -> None:
    assert verdict(zygote_filter(machine), AUDIT[machine], 9999) == FAIL | errno.ENOSYS


def test_leaf_filters_stay_short() -> None:
    assert len(leaf_filter("x86_64")) // 8 < 40


def test_a_machine_without_numbers_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        zygote_filter("riscv64")
