"""Programs that try what a program must not be able to do, and what may come of each.

What lives here: the table. A program that reaches what it tries returns "PWNED"; no program may. The example values
that a program writes to forge an outcome are 4242 and "forged".
"""

import textwrap
from dataclasses import dataclass
from typing import Any

FORBIDDEN = ("PWNED", 4242, "forged")
_UNSET = object()


@dataclass(frozen=True)
class Abuse:
    name: str
    code: str
    statuses: frozenset[str]
    value: Any = _UNSET

    @property
    def has_value(self) -> bool:
        return self.value is not _UNSET


def _whole(name: str, statuses: str, code: str, value: Any = _UNSET) -> Abuse:
    """A program as it stands."""
    return Abuse(name, textwrap.dedent(code), frozenset(statuses.split()), value)


def _body(name: str, statuses: str, body: str, value: Any = _UNSET) -> Abuse:
    """The body of `main_solution`."""
    code = "import os, sys, time\ndef main_solution(a):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return Abuse(name, code, frozenset(statuses.split()), value)


def _reach(name: str, attempt: str) -> Abuse:
    """An attempt that must raise; what it raises is said."""
    body = f"try:\n{textwrap.indent(textwrap.dedent(attempt).strip(chr(10)), '    ')}\nexcept OSError as error:\n"
    body += "    return 'blocked ' + type(error).__name__\nreturn 'PWNED'"
    return _body(name, "ok exception crashed", body)


_FORGE = "open('/dev/null')\nimport struct\n"

TIME = [
    _body("loop", "timeout", "while True: pass"),
    _whole("loop while loading", "timeout", "while True: pass"),
    _body("sleep", "timeout", "time.sleep(3600)"),
    _body("sleep in pieces", "timeout", "while True: time.sleep(0.5)"),
    _body("wait for input that never comes", "exception", "return input()"),
    _body("wait on a pipe of its own", "timeout", "r, w = os.pipe()\nreturn os.read(r, 1)"),
    _body("wait on a lock", "timeout", "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()"),
    _body("pause", "timeout", "import signal\nsignal.pause()"),
    _body(
        "ignore all signals and loop",
        "timeout",
        """
        import signal
        for s in range(1, 65):
            try: signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
        """,
    ),
    _body(
        "raise its own CPU limit and loop",
        "timeout",
        """
        import resource
        try: resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))
        except (OSError, ValueError): pass
        while True: pass
        """,
    ),
    _body(
        "loop that swallows everything",
        "timeout",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    _body("loop in C", "timeout", "return sum(range(10**11))"),
    _body("loop in a regular expression", "timeout", "import re\nreturn re.match('(a+)+$', 'a' * 60 + 'b') is None"),
    _body("loop in integers", "timeout", "return len(bin(7 ** (10**9)))"),
    _body(
        "loop in str of the exception",
        "timeout",
        "class E(Exception):\n    def __str__(s):\n        while True: pass\nraise E()",
    ),
    _body("loop in __del__", "timeout", "class D:\n    def __del__(s):\n        while True: pass\nD()\nreturn 1"),
    _body("close the result pipe and loop", "timeout crashed", "os.closerange(0, 100)\nwhile True: pass"),
    _body("close the result pipe and sleep", "timeout crashed", "os.closerange(0, 100)\ntime.sleep(3600)"),
    _body(
        "loop in threads",
        "timeout",
        """
        import threading
        def spin():
            while True: pass
        for _ in range(4):
            threading.Thread(target=spin).start()
        spin()
        """,
    ),
    _body(
        "leave a thread looping behind the answer",
        "ok",
        """
        import threading
        def work():
            while True: pass
        threading.Thread(target=work).start()
        return 1
        """,
        1,
    ),
]

MEMORY = [
    _body("memory by list", "out_of_memory", "x = []\nwhile True: x.append([0] * 100000)"),
    _body("memory by bytes", "out_of_memory", "return len(bytes(10**10))"),
    _body("memory by doubling", "out_of_memory", "x = 'x'\nwhile True: x += x"),
    _body("memory by numpy", "out_of_memory", "import numpy\nreturn float(numpy.ones(3 * 10**9).sum())"),
    _body(
        "memory by mmap",
        "exception out_of_memory",
        "import mmap\nx = [mmap.mmap(-1, 1 << 26) for _ in range(100)]\nreturn 'PWNED'",
    ),
    _body("memory while loading", "exception", "raise ValueError('see the next')"),
    _whole("memory at import", "out_of_memory", "x = [0] * 10**10"),
    _body(
        "more address space for itself",
        "exception out_of_memory",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nx = bytes(10**9)\nreturn 'PWNED'",
    ),
    _body(
        "prlimit by number",
        "ok exception crashed",
        """
        import ctypes
        new = (ctypes.c_ulong * 2)(2**63, 2**63)
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.prlimit(0, 9, new, None)
        """,
        -1,
    ),
    _reach(
        "a file as large as memory", "with open('big', 'wb') as f:\n    for _ in range(64): f.write(bytes(1 << 20))"
    ),
    _reach(
        "many files in memory",
        "for i in range(64):\n    with open(f'f{i}', 'wb') as f: f.write(bytes(1 << 20))",
    ),
    _reach("memory file", "os.memfd_create('x')"),
    _body("deep recursion", "exception", "return main_solution(a) + 1"),
    _body(
        "deep recursion without the limit",
        "exception out_of_memory timeout crashed",
        "sys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) + 1\nreturn f(0)",
    ),
    _body(
        "deep recursion in C",
        "exception crashed out_of_memory timeout",
        "sys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nreturn len(repr(x))",
    ),
]

PROCESSES = [
    _body("fork", "exception", "os.fork()\nreturn 'PWNED'"),
    _body("fork bomb", "timeout", "while True:\n    try: os.fork()\n    except OSError: pass"),
    _reach("vfork and exec", "import subprocess\nsubprocess.run(['/usr/bin/true'])"),
    _reach("shell", "status = os.system('echo')\nif status: raise OSError(status)"),
    _reach("exec", "os.execv('/sandbox/python/bin/python3.11', ['python', '-c', 'pass'])"),
    _reach("multiprocessing", "import multiprocessing\np = multiprocessing.Process(target=print)\np.start()"),
    _reach(
        "daemon",
        """
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: time.sleep(60)
            os._exit(0)
        os.wait()
        """,
    ),
    _body(
        "raw clone",
        "ok crashed",
        """
        import ctypes, platform
        number = 56 if platform.machine() == 'x86_64' else 220
        return ctypes.CDLL(None).syscall(number, 17, 0, 0, 0, 0)
        """,
        -1,
    ),
    _body(
        "thread bomb",
        "exception out_of_memory timeout",
        """
        import threading
        while True: threading.Thread(target=time.sleep, args=(3600,)).start()
        """,
    ),
    _reach("kill the parent", "os.kill(os.getppid(), 9)"),
    _reach("kill everybody", "os.kill(-1, 9)"),
    _reach("stop the parent", "os.kill(os.getppid(), 19)"),
    _reach("stop itself", "os.kill(os.getpid(), 19)"),
    _reach("kill itself as the memory killer would", "os.kill(os.getpid(), 9)"),
    _reach("signal itself", "import signal\nsignal.raise_signal(signal.SIGUSR1)"),
    _reach(
        "signal through a descriptor's owner",
        "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, 10, 9)\nfcntl.fcntl(r, 8, os.getppid())",
    ),
    _body(
        "ptrace the parent", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)", -1
    ),
    _body(
        "read the parent's memory",
        "ok crashed",
        """
        import ctypes
        return ctypes.CDLL(None).process_vm_readv(os.getppid(), None, 0, None, 0, 0)
        """,
        -1,
    ),
    _reach("another process's file table", "open(f'/proc/{os.getppid()}/environ').read()"),
    _reach("all processes", "os.listdir('/proc')"),
    _reach("its own memory by file", "open('/proc/self/mem', 'r+b')"),
    _reach("priority", "os.nice(-5)"),
    _reach("session", "os.setsid()"),
]

HOST = [
    _reach("passwords", "open('/etc/passwd').read()"),
    _reach("home", "os.listdir('/root')\nos.listdir('/home')"),
    _reach("hosts of the machine", "os.listdir('/etc')"),
    _reach("system state", "os.listdir('/sys')"),
    _body(
        "environment",
        "ok",
        "return dict(os.environ)",
        {"HOME": "/tmp", "LANG": "C.UTF-8", "LOGNAME": "user", "PATH": "/usr/bin:/bin", "USER": "user"},
    ),
    _body("environment below Python", "ok", "import ctypes\nreturn ctypes.CDLL(None).getenv(b'PWD')", 0),
    _body(
        "what lies at the root",
        "ok",
        "return sorted(set(os.listdir('/')) - {'lib', 'lib32', 'lib64', 'libx32', 'usr'})",
        ["dev", "sandbox", "tmp"],
    ),
    _body("who it is", "ok", "return [os.getuid(), os.geteuid(), os.getgid()]", [65534, 65534, 65534]),
    _reach("the interpreter's library", "open(os.__file__, 'a')"),
    _reach("site-packages", "import numpy\nopen(os.path.join(os.path.dirname(numpy.__file__), 'x.py'), 'w')"),
    _reach("the worker's program", "open('/sandbox/inside/leaf.py', 'a')"),
    _reach("the root", "open('/x', 'w')"),
    _reach("devices", "open('/dev/x', 'w')"),
    _reach("disks", "os.mknod('disk', 0o60600, os.makedev(8, 0))"),
    _reach("terminal", "open('/dev/tty')"),
    _reach("kernel log", "open('/dev/kmsg')"),
    _reach("symlink to the host", "os.symlink('/etc/passwd', 'x')\nopen('x').read()"),
    _reach("hard link", "os.link(os.__file__, 'x')"),
    _reach("up and out", "open('../' * 20 + 'etc/passwd').read()"),
    _reach("change root", "os.chroot('/tmp')"),
    _reach("mode of its directory", "os.chmod('/tmp', 0o777)"),
    _body(
        "mount", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).mount(b'none', b'/tmp', b'proc', 0, None)", -1
    ),
    _body("own user namespace", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).unshare(0x10000000)", -1),
    _body("become root", "exception", "os.setuid(0)\nreturn 'PWNED'"),
    _reach("internet", "import socket\nsocket.create_connection(('1.1.1.1', 53), 1)"),
    _reach("name service", "import socket\nsocket.getaddrinfo('example.com', 80)"),
    _reach("this machine's ports", "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)"),
    _reach("raw socket", "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    _reach("local socket", "import socket\nsocket.socket(socket.AF_UNIX).bind('\\0x')"),
    _reach("netlink", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    _body("System V memory", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).shmget(1, 4096, 0o1777)", -1),
    _body(
        "kernel keys",
        "ok crashed",
        "import ctypes\nreturn ctypes.CDLL(None).syscall(248, b'user', b'x', b'y', 1, -3)",
        -1,
    ),
    _body("io_uring", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).syscall(425, 1, bytes(200))", -1),
    _body("bpf", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).syscall(321, 0, bytes(100), 100)", -1),
    _body("another filter", "ok crashed", "import ctypes\nreturn ctypes.CDLL(None).prctl(22, 1, 0, 0, 0)", -1),
]

FORGERY = [
    _body("exit with success", "crashed", "os._exit(0)"),
    _body("exit politely", "exception", "sys.exit(0)"),
    _body("exit while loading", "exception", "raise SystemExit(0)"),
    _whole("exit at once", "crashed", "import os\nos._exit(0)"),
    _body("abort", "crashed", "os.abort()"),
    _body("crash in C", "crashed", "import ctypes\nctypes.string_at(0)"),
    _body("print an outcome", "ok", 'print(\'{"status": "ok", "value": 4242}\')\nreturn 7', 7),
    _body("flood stdout", "ok", "for _ in range(200): sys.stdout.write('x' * 1000000)\nreturn 7", 7),
    _body("flood stderr", "ok", "for _ in range(200): sys.stderr.write('x' * 1000000)\nreturn 7", 7),
    _body("flood raw stdout", "ok", "for _ in range(200): os.write(1, b'x' * 1000000)\nreturn 7", 7),
    _body(
        "write text to every descriptor",
        "crashed",
        "for d in range(100):\n    try: os.write(d, b'4242')\n    except OSError: pass\nreturn 7",
    ),
    _body(
        "flood every descriptor",
        "crashed",
        """
        for d in range(3, 100):
            try:
                while True: os.write(d, b'x' * 100000)
            except OSError: pass
        return 7
        """,
    ),
    _body(
        "forge a frame with no nonce on every descriptor and exit",
        "crashed",
        """
        import struct
        for d in range(100):
            try: os.write(d, struct.pack('<16scI', bytes(16), b'V', 4) + b'4242')
            except OSError: pass
        os._exit(0)
        """,
    ),
    _body(
        "forge the zygote's reply on every descriptor",
        "crashed",
        """
        import struct
        ending = struct.pack('<ccidd?Q', b'x', b'-', 0, 0.0, 0.0, False, 0)
        for d in range(100):
            try: os.write(d, struct.pack('<cI', b'D', 4) + b'4242' + struct.pack('<cI', b'E', len(ending)) + ending)
            except OSError: pass
        os._exit(0)
        """,
    ),
    _whole(
        "patch json",
        "ok",
        """
        import json
        json.dumps = json.encoder.c_make_encoder = lambda *a, **k: '4242'
        def main_solution(a): return 7
        """,
        7,
    ),
    _whole(
        "patch builtins",
        "ok",
        """
        import builtins
        for name in "str int list dict tuple len type isinstance issubclass bytes range".split():
            setattr(builtins, name, lambda *a, **k: 4242)
        def main_solution(a): return [7, "x", (1.5, None), {"k": True}]
        """,
        [7, "x", [1.5, None], {"k": True}],
    ),
    _whole(
        "patch os",
        "ok",
        "import os\nos.write = os.writev = os._exit = lambda *a: 4242\ndef main_solution(a): return 7\n",
        7,
    ),
    _whole(
        "patch sys.modules",
        "ok",
        "import sys\nfor name in list(sys.modules): sys.modules[name] = None\ndef main_solution(a): return 7\n",
        7,
    ),
    _whole(
        "patch its own module away", "ok", "import sys\ndel sys.modules[__name__]\ndef main_solution(a): return 7\n", 7
    ),
    _whole(
        "poison modules in the working directory",
        "ok",
        """
        open('json.py', 'w').write('dumps = lambda x: 4242')
        import sys
        sys.path.insert(0, '')
        def main_solution(a): return 7
        """,
        7,
    ),
    _whole(
        "hide main_solution in a class with __call__",
        "ok",
        "class M:\n    def __call__(self, a): return 7\nmain_solution = M()\n",
        7,
    ),
    _whole(
        "raise in the excepthook",
        "exception",
        "import sys\nsys.excepthook = lambda *a: print(4242)\ndef main_solution(a): raise ValueError('no')\n",
    ),
    _whole(
        "exit handlers",
        "ok",
        "import atexit, os\natexit.register(lambda: os.write(3, b'4242'))\ndef main_solution(a): return 7\n",
        7,
    ),
    _whole(
        "trace our frames",
        "ok",
        """
        import sys
        def spy(frame, event, argument): return spy
        sys.settrace(spy)
        def main_solution(a): return 7
        """,
        7,
    ),
    _body(
        "profile that raises",
        "ok exception crashed",
        "def spy(frame, event, argument): raise ValueError\nsys.setprofile(spy)\nreturn 7",
    ),
    _body("lower the recursion limit", "ok", "sys.setrecursionlimit(30)\nreturn [[[[[[[[7]]]]]]]]", [[[[[[[[7]]]]]]]]),
    _body("lower the integer limit", "ok", "sys.set_int_max_str_digits(640)\nreturn 10**1000", 10**1000),
    _body("raise by name of ours", "exception", "class NotSerialisable(Exception): pass\nraise NotSerialisable('x')"),
    _body(
        "exception without text",
        "exception",
        "class E(Exception):\n    def __str__(s): raise RuntimeError\n    __repr__ = __str__\nraise E",
    ),
    _body("exception with surrogates", "exception", "raise ValueError('\\ud800' * 3)"),
    _body("exception with a huge text", "exception", "raise ValueError('x' * 10**7)"),
    _body(
        "exception of a hostile metaclass",
        "exception",
        """
        class M(type):
            @property
            def __name__(c): raise RuntimeError
        class E(Exception, metaclass=M): pass
        raise E('x')
        """,
    ),
    _body("exception group", "exception", "raise ExceptionGroup('x', [ValueError(i) for i in range(1000)])"),
    _body("keyboard interrupt", "exception", "raise KeyboardInterrupt"),
    _body("generator exit", "exception", "raise GeneratorExit"),
    _body("memory error of its own", "out_of_memory", "raise MemoryError"),
    _body(
        "alarm while we write",
        "ok exception crashed",
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\nreturn list(range(2000))",
    ),
]

VALUES = [
    _body("NaN", "ok", "return [float('inf'), -float('inf')]", [float("inf"), -float("inf")]),
    _body("set", "not_serialisable", "return {1, 2}"),
    _body("bytes", "not_serialisable", "return b'4242'"),
    _body("complex", "not_serialisable", "return 1j"),
    _body("object", "not_serialisable", "return object()"),
    _body("function", "not_serialisable", "return main_solution"),
    _body("generator", "not_serialisable", "return (i for i in range(3))"),
    _body("dictionary view", "not_serialisable", "return {1: 2}.keys()"),
    _body("decimal", "not_serialisable", "import decimal\nreturn decimal.Decimal(1)"),
    _body("tuple as key", "not_serialisable", "return {(1, 2): 3}"),
    _body("keys that collide", "not_serialisable", "return {1: 2, '1': 3}"),
    _body(
        "keys of json",
        "ok",
        "return {1: 2, 1.5: 3, True: 4, None: 5} if False else {2: 2, 1.5: 3, True: 4, None: 5}",
        {"2": 2, "1.5": 3, "true": 4, "null": 5},
    ),
    _body("contains itself", "not_serialisable", "x = []\nx.append(x)\nreturn x"),
    _body("deep nesting", "not_serialisable", "x = []\nfor _ in range(100000): x = [x]\nreturn x"),
    _body("wide sharing", "output_too_large not_serialisable", "x = [1]\nfor _ in range(64): x = [x, x]\nreturn x"),
    _body("large text", "output_too_large", "return 'x' * 10**6"),
    _body("large list", "output_too_large", "return list(range(10**6))"),
    _body("huge integer", "not_serialisable", "return 10**5000"),
    _body("huge integer as key", "not_serialisable", "return {10**5000: 1}"),
    _body("huge integer without the limit", "not_serialisable", "sys.set_int_max_str_digits(0)\nreturn 10**5000"),
    _body("lone surrogates", "ok", "return '\\ud800x'", "\ud800x"),
    _body("control characters", "ok", "return '\\x00\\x1f\\u2028\\x7f'", "\x00\x1f\u2028\x7f"),
    _body(
        "text that equals everything",
        "ok",
        "class E(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\nreturn E('zz')",
        "zz",
    ),
    _body(
        "text that prints as another",
        "ok",
        "class E(str):\n    def __str__(s): return 'forged'\n    __repr__ = encode = __str__\nreturn E('zz')",
        "zz",
    ),
    _body(
        "number that prints as another",
        "ok",
        """
        class E(int):
            def __repr__(s): return '4242'
            __str__ = __index__ = __int__ = __repr__
        return E(7)
        """,
        7,
    ),
    _body(
        "float that prints as another",
        "ok",
        "class E(float):\n    def __repr__(s): return '4242'\n    __float__ = __repr__\nreturn E(7.5)",
        7.5,
    ),
    _body(
        "list that lies",
        "ok",
        """
        class E(list):
            def __iter__(s): return iter([4242])
            def copy(s): return [4242]
            def __len__(s): return 1
        return E([7, 8])
        """,
        [7, 8],
    ),
    _body(
        "tuple that lies", "ok", "class E(tuple):\n    def __iter__(s): return iter([4242])\nreturn E([7, 8])", [7, 8]
    ),
    _body(
        "mapping that lies",
        "ok",
        """
        class E(dict):
            def items(s): return [('a', 4242)]
            def __getitem__(s, k): return 4242
            __iter__ = None
        return E(a=7)
        """,
        {"a": 7},
    ),
    _body("class that pretends to be another", "not_serialisable", "class E:\n    __class__ = str\nreturn E()"),
    _body(
        "class that pretends to be numpy's",
        "not_serialisable ok",
        "class generic:\n    __module__ = 'numpy'\n    nbytes = 1\n    def tolist(s): return s\nreturn generic()",
    ),
    _body("named tuple", "ok", "from collections import namedtuple\nreturn namedtuple('P', 'x y')(1, 2)", [1, 2]),
    _body(
        "numpy scalar and array",
        "ok",
        "import numpy as np\nreturn [np.int64(3), np.float32(0.5), np.bool_(True), np.arange(2)]",
        [3, 0.5, True, [0, 1]],
    ),
    _body("numpy array of objects", "not_serialisable", "import numpy as np\nreturn np.array([object()])"),
    _body("numpy complex", "not_serialisable", "import numpy as np\nreturn np.complex128(1j)"),
]

SOURCES = [
    _whole("not Python", "exception", "def main_solution(a) return 4242"),
    _whole("null bytes", "exception", "x = '\0'\ndef main_solution(a): return 7\n"),
    Abuse("lone surrogates in the source", "x = '\ud800'\ndef main_solution(a): return 7\n", frozenset({"exception"})),
    _whole("empty", "exception", ""),
    _whole("no such function", "exception", "def other(a): return 7\n"),
    _whole("other arguments", "exception", "def main_solution(): return 7\n"),
    _whole("entry is no function", "exception", "main_solution = 7\n"),
    Abuse("deep parentheses", "x = " + "(" * 5000 + ")" * 5000, frozenset({"exception", "out_of_memory"})),
    Abuse("deep operators", "x = " + "-" * 100000 + "1", frozenset({"exception", "out_of_memory", "crashed"})),
    Abuse("long chain", "x = a" + ".b" * 100000, frozenset({"exception", "out_of_memory", "crashed", "timeout"})),
    Abuse("deep blocks", "".join(" " * i + "if 1:\n" for i in range(99)) + " " * 99 + "pass", frozenset({"exception"})),
    Abuse("large program", "x = 1\n" * 200_000, frozenset({"exception"})),
    _whole("other encoding", "exception", "# -*- coding: no-such -*-\nraise ValueError\n"),
]

_SPEAKER = """
f = sys._getframe()
while f and 'speaker' not in f.f_locals: f = f.f_back
speaker = f.f_locals['speaker']
"""
UNASKED = [
    _body("bytecode that nobody asked for", "crashed", _SPEAKER + "speaker.say(b'B', b'x')\nreturn 7"),
    _body("bytecode in the place of a value", "crashed", _SPEAKER + "speaker.say(b'B', b'x')\nos._exit(0)"),
    _body("two values", "crashed", _SPEAKER + "speaker.say(b'V', b'1')\nspeaker.say(b'V', b'2')\nos._exit(0)"),
    _body("a value nested 980 deep", "crashed", _SPEAKER + "speaker.say(b'V', b'[' * 980 + b']' * 980)\nos._exit(0)"),
    _body("a kind that is none", "crashed", _SPEAKER + "speaker.say(b'E', b'')\nreturn 7"),
]
STATE = [
    _body("lock on what is inherited", "ok", "import fcntl\nfcntl.flock(0, fcntl.LOCK_EX)\nreturn 1", 1),
    _body(
        "flags of what is inherited", "ok", "import fcntl\nfcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK)\nreturn 1", 1
    ),
    _body("flags that another has set", "ok", "import fcntl\nreturn fcntl.fcntl(0, fcntl.F_GETFL) & 0xC00", 0),
    _reach("times of a device", "os.utime('/dev/null', (1, 1))"),
    _reach("the time of a device now", "os.utime('/dev/null')"),
    _reach("a lease on the library", "import fcntl\nfcntl.fcntl(os.open(os.__file__, 0), 1024, 0)"),
    _body("times of the working directory", "ok", "os.utime('.', (5, 5))\nreturn 1", 1),
    _body("times that another has set", "ok", "return os.stat('.').st_mtime", 0.0),
    _body(
        "names for the same file",
        "ok",
        "open('a', 'w').close()\nos.link('a', 'b')\nreturn sorted(os.listdir())",
        ["a", "b"],
    ),
]
SLOW = [
    _body(
        "sleep politely",
        "timeout",
        """
        while True:
            t = time.perf_counter()
            while time.perf_counter() - t < 0.0001: pass
            time.sleep(0.01)
        """,
    ),
    _body("close the pipe and linger", "crashed timeout", "os.close(3)\nwhile True: time.sleep(0.01)"),
]

ABUSES = [*TIME, *MEMORY, *PROCESSES, *HOST, *FORGERY, *VALUES, *SOURCES, *UNASKED, *STATE, *SLOW]
