"""Which modules a worker has loaded before it forks, and which worker a program goes to.

What lives here: a guess from the text of the program, and a wrong guess only costs time. Fork cost follows resident
memory, so that a program without heavy imports goes to a light worker. What does not: starting workers (`workers`).
"""

import re

# fmt: off
STANDARD = [
    "abc", "bisect", "collections", "collections.abc", "copy", "datetime",
    "enum", "functools", "heapq", "itertools", "json", "math", "operator", "random",
    "re", "string", "time", "typing",
]
"""What every worker loads: more would slow down each fork, less each program that needs it."""
# fmt: on
_LIBRARY = [
    "dataclasses",
    "decimal",
    "doctest",
    "fractions",
    "hashlib",
    "inspect",
    "logging",
    "pathlib",
    "pprint",
    "queue",
    "secrets",
    "statistics",
    "tempfile",
    "textwrap",
    "traceback",
    "unittest",
    "uuid",
]  # fmt: skip
"""Of the standard library, what takes longer to import than a larger worker takes to fork."""
_NUMPY = ["numpy", "numpy.linalg", "numpy.random", "numpy.fft"]

PRELOADS: dict[str, list[str]] = {
    "pandas": [*_NUMPY, "pandas"],
    "scipy": [*_NUMPY, "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.integrate"],
    "sympy": ["sympy"],
    "networkx": ["networkx"],
    "numpy": _NUMPY,
    "library": _LIBRARY,
    "light": [],
}
"""By worker kind, heaviest first: a program goes to the first kind whose name it imports, to `library` if it imports
one of its modules, else to `light`."""

# fmt: off
PACKAGES = [
    "numpy", "numpy.libs", "scipy", "scipy.libs", "sympy", "mpmath", "networkx", "pandas",
    "pandas.libs", "dateutil", "pytz", "tzdata", "six.py",
]
# fmt: on
"""What of the site-packages a program can import; absent ones are left out."""

_IMPORTED = re.compile(rf"^[ \t]*(?:import|from)[ \t][^\n#]*?\b({'|'.join([*PRELOADS, *_LIBRARY])})\b", re.MULTILINE)


def worker_kind(code: str) -> str:
    """Return the kind of worker that suits a program."""
    imported = {"library" if name in _LIBRARY else name for name in _IMPORTED.findall(code)}
    return next((kind for kind in PRELOADS if kind in imported), "light")


def preloads(kind: str) -> list[str]:
    """Return the modules that a worker of this kind loads at its start."""
    return [*STANDARD, *PRELOADS[kind]]
