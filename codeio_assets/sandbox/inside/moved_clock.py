"""The clock of this process, moved for all that asks the C library: Python, numpy, pandas, sqlite alike.

What lives here: new beginnings for the three functions that tell the time of day (`clock_gettime`, `gettimeofday`,
`time`), written over the loaded ones; they ask the kernel and add what a leaf has set. The CPU clocks of a leaf with
such a clock count from its start, since a limit on CPU time makes the kernel's own step with the tick. Monotonic time
stays as it is, so that sleeping and waiting do. What does not: the time of files (`elsewhere`).

The code is in `sandbox/machine_code`, per machine; there is no compiler where the sandbox runs, so it is here in hex.
"""

import builtins
import ctypes
import os
import time
from struct import Struct
from typing import Any, NamedTuple

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

READ, WRITE, EXECUTE = 1, 2, 4
PRIVATE_ANONYMOUS = 0x22
KERNEL_CODE = 33
"""AT_SYSINFO_EHDR: where the kernel's own code lies in this process."""
MOST_KERNEL_PAGES = 9
PAGE_BYTES = 1 << 16
"""The largest page of the machines we know."""
ADDRESS = Struct("<Q")
BRANCH_TARGET = bytes.fromhex("5f2403d5")
"""What some aarch64 libraries begin their functions with (`bti c`)."""


class Machine(NamedTuple):
    """The code for one kind of machine, where its functions begin, and the jump to an address that follows it."""

    code: str
    clock_gettime: int
    gettimeofday: int
    time: int
    flush: int | None
    jump: str
    after_address: str


MACHINES = {
    "x86_64": Machine(
        "4c8b0df10000004983791800741983ff00743c83ff05743783ff0b743283ff02742183ff03741cb8e40000000f0585c07801c3f7d85041ff"
        "5120598908b8ffffffffc356e874000000492b4118eb0656e8680000005e31d2b900ca9a3b48f7f14889064889560831c0c34885ff742a4c"
        "8b0d8200000057e8410000005f31d2b900ca9a3b48f7f148890789d031d2b9e8030000f7f14889470831c0c34c8b0d5500000057e8140000"
        "005f31d2b900ca9a3b48f7f14885ff7403488907c34883ec1031ff4889e6b8e40000000f0559584869c900ca9a3b4801c8490301498b4908"
        "4885c9740f4889caf0490fc149104801c84801d0c30f1f00",
        clock_gettime=0,
        gettimeofday=0x6A,
        time=0x9C,
        flush=None,
        jump="49bb",
        after_address="41ffe3",  # mov r11, address; jmp r11
    ),
    "aarch64": Machine(
        "490c00582a0d40f94a0100b4800300341f140071400300541f2c0071000300541f080071200200541f0c0071e0010054280e80d2010000d4"
        "4000f837c0035fd6fd7bbea9e003004be01300b92a1140f940013fd6e11340b9010000b900008012fd7bc2a8c0035fd6e17bbfa923000094"
        "2a0d40f900000acb03000014e17bbfa91e000094e17bc1a8cb0700580c08cb9a8d810b9b2c3400a900008052c0035fd6600100b429070058"
        "e07bbfa913000094e17bc1a86b0600580c08cb9a8d810b9b0e7d80d2ad09ce9a2c3400a900008052c0035fd6a9050058e07bbfa907000094"
        "e17bc1a8eb0400580008cb9a410000b4200000f9c0035fd6ff4300d1000080d2e1030091280e80d2010000d4ec37c1a88b03005880350b9b"
        "2c0140f900000c8b2c0540f9ec0000b42e410091cd7d5fc8ad010c8bcd7d0fc8afffff3500000d8bc0035fd6e20300aa227b0bd542400091"
        "5f0001eba3ffff549f3b03d5e20300aa22750bd5424000915f0001eba3ffff549f3b03d5df3f03d5c0035fd61f2003d500ca9a3b00000000",
        clock_gettime=0,
        gettimeofday=0xA0,
        time=0xD4,
        flush=0x144,
        jump="5000005800021fd6",
        after_address="",  # ldr x16, 8; br x16; address
    ),
}
NAMES = ("clock_gettime", "gettimeofday", "time")

_time_ns = time.time_ns


class MovedClock:
    """The moved clock of this process; it shows real time until it is set."""

    __slots__ = ("_leap_ns", "_settings", "_start_ns")

    def __init__(self) -> None:
        """Move the clock, for good.

        Raises:
            OSError: this machine does not let a process change its own code, or is of an unknown kind.
        """
        machine = MACHINES.get(os.uname().machine)
        if machine is None:
            raise OSError(f"no moved clock for {os.uname().machine} machines")
        libc = library()
        data = libc.mmap(None, PAGE_BYTES, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0)
        code = libc.mmap(None, PAGE_BYTES, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0)
        self._settings = (ctypes.c_int64 * 5).from_address(data)
        self._settings[4] = ctypes.cast(libc["__errno_location"], ctypes.c_void_p).value or 0
        text = bytes.fromhex(machine.code) + ADDRESS.pack(data)
        ctypes.memmove(code, text, len(text))
        if libc.mprotect(code, PAGE_BYTES, READ | EXECUTE):
            raise _refused()
        for name in NAMES:
            target = ADDRESS.pack(code + getattr(machine, name))
            written = _redirect(libc, name, bytes.fromhex(machine.jump) + target + bytes.fromhex(machine.after_address))
            if machine.flush is not None:
                ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code + machine.flush)(*written)
        self._start_ns = self._leap_ns = 0

    def set(self, start_s: float, leap_s: float) -> None:
        """Let the clock start at a second since the epoch, and leap ahead each time that somebody looks."""
        self._start_ns, self._leap_ns = int(start_s * 1e9), int(leap_s * 1e9)
        self.restart()

    def restart(self) -> None:
        """Start it again."""
        settings = self._settings
        settings[0] = settings[1] = settings[2] = settings[3] = 0
        settings[0] = self._start_ns - _time_ns()
        settings[1], settings[3] = self._leap_ns, self._start_ns

    @property
    def added_ns(self) -> int:
        """What the clock shows more than real time now."""
        return self._settings[0] + self._settings[2]


def library() -> Any:
    """Return the C library, with the calls that change what memory may do."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.getauxval.restype, libc.getauxval.argtypes = ctypes.c_ulong, (ctypes.c_ulong,)
    return libc


def _refused() -> OSError:
    return OSError(ctypes.get_errno(), "this machine lets no process change its own code, so no clock can be set")


def _redirect(libc: Any, name: str, jump: bytes) -> tuple[int, int]:
    """Write a jump over the beginning of a function of the library; return from where to where."""
    address = ctypes.cast(libc[name], ctypes.c_void_p).value or 0
    if ctypes.string_at(address, len(BRANCH_TARGET)) == BRANCH_TARGET:
        address += len(BRANCH_TARGET)
    pages = _make_writable(libc, address, len(jump))
    ctypes.memmove(address, jump, len(jump))
    if libc.mprotect(*pages, READ | EXECUTE):
        raise _refused()
    return address, address + len(jump)


def _make_writable(libc: Any, address: int, size: int) -> tuple[int, int]:
    """Let some code be written to; return the pages that this took, as address and size.

    Where the kernel's own pages have the function (`time` is there), they change together or not at all, and how many
    they are is found by trying.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    first = address // page * page
    tried = [(first, address + size - first)]
    kernel = libc.getauxval(KERNEL_CODE)
    if kernel <= first < kernel + MOST_KERNEL_PAGES * page:
        tried += [(kernel, count * page) for count in range(1, MOST_KERNEL_PAGES)]
    for pages in tried:
        if not libc.mprotect(*pages, READ | WRITE | EXECUTE):
            return pages
    raise _refused()
