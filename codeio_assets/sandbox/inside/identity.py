"""Objects that hash by where they lie in memory hash otherwise, as if they lay elsewhere.

The order of a set of classes, functions, plain objects or None follows their addresses, and within one build of Python
those hardly differ from process to process: only another build shows it, or this. What lives here: a hash function in
machine code, put in the place of the interpreter's in every type that has that. What does not: the rest of another
machine (`elsewhere`).
"""

import ctypes
import gc
import os
from typing import Any

from .moved_clock import EXECUTE, PAGE_BYTES, PRIVATE_ANONYMOUS, READ, WRITE, library

HASH_AT = 120
"""Where a type keeps its hash function (`tp_hash`, since Python 3.0 on machines of 64 bits)."""
CODE = {
    # mov rax, rdi; shr rax, 4; movabs rcx, K; imul rax, rcx; ror rax, 23; cmp rax, -1; jne 1f; dec rax; 1: ret
    "x86_64": "4889f848c1e80448b9157c4a7fb979379e480fafc148c1c8174883f8ff750348ffc8c3",
    # lsr x0, x0, 4; ldr x1, K; mul x0, x0, x1; ror x0, x0, 23; cmn x0, 1; b.ne 1f; mov x0, -2; 1: ret
    "aarch64": "00fc44d3e1000058007c019b005cc0931f0400b14100005420008092c0035fd6157c4a7fb979379e",
}


_BY_VALUE = (str, bytes, int, float)


def scatter() -> None:
    """Change the hashes of all objects that have one by address; sets and tables that are there are filled again."""
    code = CODE.get(os.uname().machine)
    if code is None:
        return
    libc = library()
    address = libc.mmap(None, PAGE_BYTES, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0)
    ctypes.memmove(address, bytes.fromhex(code), len(code) // 2)
    if libc.mprotect(address, PAGE_BYTES, READ | EXECUTE):
        return
    real = _hash_of(object).value
    for kind in _all_types():
        slot = _hash_of(kind)
        if slot.value == real:
            slot.value = address
    _sort_in_again()


def _hash_of(kind: type) -> ctypes.c_size_t:
    return ctypes.c_size_t.from_address(id(kind) + HASH_AT)


def _all_types() -> set[type]:
    found, pending = {object}, [object]
    while pending:
        for kind in type.__subclasses__(pending.pop()):
            if kind not in found:
                found.add(kind)
                pending.append(kind)
    return found


def _sort_in_again() -> None:
    """Rebuild what was filled under the old hashes."""
    objects: list[Any] = gc.get_objects()
    for each in objects:
        kind = type(each)
        if (kind is dict and any(type(key) not in _BY_VALUE for key in each)) or (kind is set and each):
            kept: Any = list(each.items() if kind is dict else each)
            each.clear()
            each.update(kept)
