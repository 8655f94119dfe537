"""What programs may import besides the usual packages: those that `sandbox.packages` names, with all that they need.

What lives here: finding distributions by the names that people import, among the packages of an interpreter. What does
not: the usual packages (`preloading`), showing them to a worker (`bubblewrap`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from codeio_assets.sandbox.contract import SandboxUnavailable


@dataclass(frozen=True, slots=True)
class Package:
    """A package by the name that programs import, its version, and what lies in site-packages for it."""

    name: str
    version: str
    entries: tuple[str, ...]


def find_packages(names: Iterable[str], site_packages: Path) -> tuple[Package, ...]:
    """Return the packages of some names, sorted.

    Raises:
        SandboxUnavailable: some are not installed there; one line that says which.
    """
    wanted = tuple(sorted(set(names)))
    if not wanted:
        return ()
    changed = site_packages.stat().st_mtime_ns if site_packages.is_dir() else 0
    return _found(wanted, site_packages, changed)


@lru_cache(maxsize=4)
def _found(wanted: tuple[str, ...], site_packages: Path, _changed_ns: int) -> tuple[Package, ...]:
    from packaging.utils import canonicalize_name  # the sandbox works without any package

    by_name = {str(canonicalize_name(one.name)): one for one in distributions(path=[str(site_packages)])}
    entries = {name: tuple(sorted(set(_entries(one)))) for name, one in by_name.items()}
    giving = {entry.removesuffix(".py").split(".")[0]: name for name, own in entries.items() for entry in own}
    if missing := [name for name in wanted if name not in giving]:
        raise SandboxUnavailable(
            f"`sandbox.packages` names {', '.join(missing)}, not installed in {site_packages}: "
            "install them for the sandbox, or take them out"
        )
    return tuple(
        Package(
            name,
            by_name[giving[name]].version,
            tuple(sorted({entry for needed in _closure(giving[name], by_name) for entry in entries[needed]})),
        )
        for name in wanted
    )


def _entries(distribution: Distribution) -> Iterator[str]:
    """Yield the files and folders directly in site-packages that belong to a distribution."""
    for file in distribution.files or ():
        first = file.parts[0]
        if first not in {"..", "__pycache__"} and not first.endswith(".pth"):
            yield first


def _closure(name: str, by_name: dict[str, Distribution]) -> set[str]:
    """Return the names of a distribution and of all that it needs, as far as they are installed."""
    found: set[str] = set()
    open_ = [name]
    while open_:
        one = open_.pop()
        if one in by_name and one not in found:
            found.add(one)
            open_ += _needs(by_name[one])
    return found


def _needs(distribution: Distribution) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for line in distribution.requires or ():
        try:
            needed = Requirement(line)
        except InvalidRequirement:
            continue
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield canonicalize_name(needed.name)
