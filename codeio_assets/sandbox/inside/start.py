"""The file that the interpreter in the sandbox is started with: imports the zygote, then hides where it came from."""

import os
import sys


def _ignore(**hooks: object) -> None:
    pass


def start() -> None:
    """Load the package this file lies in and hand over."""
    # A fork hook of `random` alone doubles the pages that a leaf copies before it begins, and the leaf reseeds anyway.
    os.register_at_fork = _ignore
    inside = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  (pathlib stays out of all leaves)
    package = os.path.basename(inside)  # noqa: PTH119
    sys.path.insert(0, os.path.dirname(inside))  # noqa: PTH120
    preparation = __import__(f"{package}.preparation", fromlist=["main"])
    preparation.bring(sys.argv[1:])
    sys.path.pop(0)
    sys.path.append(sys.argv.pop(1))
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
    preparation.main(sys.argv[1:])


if __name__ == "__main__":
    start()
