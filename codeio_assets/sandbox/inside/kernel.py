"""What a worker asks of the kernel that Python has no call for: seccomp, the CPU clock of a child, used address space.

What does not live here: the filters themselves (`codeio_assets.sandbox.seccomp`).
Source: prctl(2), seccomp(2), clock_getcpuclockid(3).
"""

import ctypes
import os
import resource
import time

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
INSTRUCTION_BYTES = 8
CPUCLOCK_SCHED = 2
PAGE_BYTES = 4096
ADDRESS_BITS = 47
PROT_NONE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS = 0, 3, 0x22
F_SETFL = 4
NO_PAGE = ctypes.c_void_p(-1).value

_fcntl = ctypes.CDLL(None).fcntl


class FilterProgram(ctypes.Structure):
    """`struct sock_fprog`: a count of instructions and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class SyscallFilter:
    """A seccomp filter that is ready to be put on this process, with all its memory held."""

    def __init__(self, instructions: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))
        address = ctypes.cast(self._buffer, ctypes.c_void_p)
        self._program = FilterProgram(len(instructions) // INSTRUCTION_BYTES, address)
        self._reference = ctypes.byref(self._program)
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl

    def install(self) -> None:
        """Put the filter on this process, for good.

        Raises:
            OSError: the kernel refused.
        """
        if self._prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or self._prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._reference, 0, 0
        ):
            raise OSError(ctypes.get_errno(), "the system call filter was refused")


def untouched_memory(size: int) -> memoryview:
    """Return memory that takes no room until it is written to, so that a fork has nothing to copy.

    Raises:
        OSError: there is none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    address = libc.mmap(None, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
    if address == NO_PAGE:
        raise OSError(ctypes.get_errno(), "no memory for requests")
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


def forget_flags(descriptor: int) -> None:
    """Give an open file that is read and written the flags that it was opened with."""
    _fcntl(descriptor, F_SETFL, os.O_RDWR)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a living or unreaped process has used, all its threads together."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def address_space_bytes() -> int:
    """Return how much address space this process has mapped, found by lowering its limit and asking for a page.

    There is no /proc inside to read it from, and the module `mmap` would be one more library in every leaf.
    """
    kept = resource.getrlimit(resource.RLIMIT_AS)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    low, high = 0, 1 << ADDRESS_BITS
    while high - low > PAGE_BYTES:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle, kept[1]))
        page = libc.mmap(None, PAGE_BYTES, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0)
        if page == NO_PAGE:
            low = middle
        else:
            libc.munmap(page, PAGE_BYTES)
            high = middle
    resource.setrlimit(resource.RLIMIT_AS, kept)
    return high
