"""The command line: thin verbs over the engines and the graph. `codeio --help` lists them.

Exit codes: 0 done, 1 something failed, 2 bad usage or bad input (one line says what, where, what to do), 130
stopped by Ctrl-C, 143 by SIGTERM.
What does not live here: the commands (one module per group), which there are (`commands`).
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, version

from codeio_assets.cli.commands import GROUPS, MODULE_OF


def main() -> None:
    """Run the command line. Only what a command needs is loaded, and for help nothing."""
    try:
        _main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def _main(arguments: list[str]) -> None:
    if moved := _moved(sys.argv[0], sys.prefix):
        print(f"codeio: {moved}", file=sys.stderr)
        raise SystemExit(2)
    if not arguments or arguments[0] in {"--help", "-h", "help"}:
        print(overview())
        return
    if arguments[0] == "--version":
        print(f"codeio {installed_version()}")
        return
    if arguments[0] not in MODULE_OF:
        print(f"codeio: {_unknown(arguments[0])}", file=sys.stderr)
        raise SystemExit(2)
    from codeio_assets.cli.app import run, with_modules

    run(lambda: with_modules(MODULE_OF[arguments[0]])())  # Ctrl-C while it loads is one line as well


def _moved(program: str, prefix: str) -> str | None:
    """Return what to do where a virtual environment was copied or moved: its programs run the code of another place."""
    environment = os.path.dirname(os.path.dirname(os.path.realpath(program)))  # noqa: PTH120  (pathlib costs help time)
    if environment == os.path.realpath(prefix) or not os.path.exists(f"{environment}/pyvenv.cfg"):  # noqa: PTH110
        return None
    return (
        f"{environment} was copied or moved from {prefix}, whose code it would run. Make it anew: "
        f"`rm -rf {environment}`, then `make setup`."
    )


def overview() -> str:
    """Return the list of commands."""
    lines = ["CodeI/O: from raw code to verified reasoning data and trained models.", "", "codeio COMMAND --help"]
    for heading, commands in GROUPS.items():
        lines += ["", heading, *(f"  {name:<17}{does}" for name, _, does in commands)]
    return "\n".join(lines)


def installed_version() -> str:
    """Return the version of this package."""
    try:
        return version("codeio-assets")
    except PackageNotFoundError:
        return "not installed, run from its folder"


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, MODULE_OF, n=1)
    hint = f" Did you mean `codeio {near[0]}`?" if near else ""
    return f"No such command: {name!r}.{hint} `codeio --help` lists them."
