"""Writes constraints.txt: the version of every package in the tests. `--check` only tells whether it fits.

Without options what is pinned stays, and what pyproject.toml newly needs is added; `--upgrade` takes the newest of
everything; `--compare` lists what differs in the environment that runs this. What does not live here: which torch
(`TORCH` in the Makefile), since its build is the machine's affair.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "constraints.txt"
HEAD = """\
# The versions that codeio_assets is tested with: `make setup` installs them, `make constraints` refreshes this file
# (UPGRADE=1 takes the newest), `make test-latest` tries the newest. torch is the Makefile's TORCH.
"""
EXTRAS = ("train", "dev")
LEFT_OUT = {"codeio-assets", "torch", "pip"}


def pinned() -> dict[str, str]:
    """Return name -> version of what is pinned."""
    lines = FILE.read_text("utf-8").splitlines() if FILE.is_file() else []
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {str(canonicalize_name(name)): version for name, version in pairs}


def wanted() -> list[Requirement]:
    """Return what pyproject.toml asks for: the package itself, training and development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    return [Requirement(line) for line in lines if canonicalize_name(Requirement(line).name) not in LEFT_OUT]


def misfit(pins: dict[str, str], requirement: Requirement) -> str | None:
    """Return in words why a requirement of pyproject.toml is not met by the pins."""
    version = pins.get(canonicalize_name(requirement.name))
    if version is None:
        return f"{requirement.name} is missing"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name}=={version} is not {requirement.specifier}"
    return None


def installed_below(requirements: list[Requirement]) -> Iterator[str]:
    """Yield the names of all installed packages that the requirements lead to."""
    seen: set[tuple[str, str]] = set()
    open_ends = [(str(canonicalize_name(each.name)), extra) for each in requirements for extra in ("", *each.extras)]
    while open_ends:
        name, extra = end = open_ends.pop()
        if end in seen:
            continue
        seen.add(end)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        yield name
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                open_ends += [(str(canonicalize_name(need.name)), more) for more in ("", *need.extras)]


def check() -> str | None:
    """Return in one line what constraints.txt lacks; None when it fits pyproject.toml and what is installed."""
    pins, requirements = pinned(), wanted()
    faults = [fault for each in requirements if (fault := misfit(pins, each))]
    if not faults:
        missing = {*installed_below(requirements)} - {*pins} - LEFT_OUT
        faults = [f"{name} is missing" for name in sorted(missing)]
    return f"constraints.txt: {', '.join(faults)}; run `make constraints`" if faults else None


def resolve(torch: str, upgrade: bool) -> dict[str, str]:
    """Return name -> version of everything that pip would install, in a place with nothing installed.

    Raises:
        SystemExit: pip finds no versions that go together.
    """
    kept = {} if upgrade else pinned()
    for requirement in wanted():
        if misfit(kept, requirement):
            kept.pop(canonicalize_name(requirement.name), None)
    with tempfile.TemporaryDirectory() as folder:
        pins, report = Path(folder) / "pins.txt", Path(folder) / "report.json"
        pins.write_text(_lines(kept), "utf-8")
        what = ["--constraint", str(pins), torch, "--editable", f"{ROOT}[{','.join(EXTRAS)}]"]
        how = ["--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        done = subprocess.run([sys.executable, "-m", "pip", "install", *how, *what], check=False)
        if done.returncode:
            sys.exit("pip finds no versions that go together (above); `make constraints UPGRADE=1` lets go of all pins")
        found = [item["metadata"] for item in json.loads(report.read_text("utf-8"))["install"]]
    versions = {str(canonicalize_name(each["name"])): each["version"] for each in found}
    return {name: version for name, version in versions.items() if name not in LEFT_OUT}


def differences() -> list[str]:
    """Return a line per package whose installed version is another one than the pinned."""
    found = {str(canonicalize_name(each.name)): each.version for each in metadata.distributions()}
    pairs = [(name, version, found.get(name, version)) for name, version in sorted(pinned().items())]
    return [f"{name} {version} -> {own}" for name, version, own in pairs if own != version]


def _lines(pins: dict[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def main() -> None:
    """Write the file, or check it, or compare."""
    if "--check" in sys.argv:
        sys.exit(check())
    if "--compare" in sys.argv:
        print("\n".join(differences()) or "every package has the version of constraints.txt")
        return
    torch = next((each for each in sys.argv[1:] if not each.startswith("-")), "torch")
    FILE.write_text(HEAD + _lines(resolve(torch, "--upgrade" in sys.argv)), "utf-8")


if __name__ == "__main__":
    main()
