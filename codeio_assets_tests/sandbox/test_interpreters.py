"""Programs run with the Python that is named, and what cannot run them is told in one line."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.method.raw_code import reject_file
from codeio_assets.core.settings.project import Filters
from codeio_assets.sandbox import Job, SandboxUnavailable, Variant, find_interpreter, open_sandbox
from codeio_assets.sandbox.interpreters import Interpreter, own_interpreter

VARIANTS = (Variant(), Variant(1, 1, 1e9), Variant(2, 2, 1e9, 1.7, elsewhere=True))
WHO = "import sys, json\ndef main_solution(): return [list(sys.version_info[:2]), sys.getrecursionlimit(), __file__]"
DEEP = """
def main_solution():
    depth = 0
    def deeper():
        nonlocal depth
        depth += 1
        deeper()
    try:
        deeper()
    except RecursionError:
        return depth
"""
NEWER = "def main_solution():\n    def same[T](x: T) -> T:\n        return x\n    return same(1)"


def others() -> list[str]:
    """Return the interpreters of this machine that are not ours; a copy of ours is always among the cases."""
    folders = [*Path.home().glob(".pyenv/versions/3.*/bin/python3"), Path("/usr/bin/python3")]
    named = [str(path) for path in folders if path.is_file()]
    named += [path for minor in range(11, 16) if (path := shutil.which(f"python3.{minor}"))]
    usable = {}
    for name in named:
        try:
            found = find_interpreter(name)
        except SandboxUnavailable:
            continue
        usable.setdefault(found.executable, name)
    usable.pop(own_interpreter().executable, None)
    return sorted(usable.values())


def fake(path: Path, answer: str) -> str:
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", [sys.executable, *others()])
def test_programs_run_with_it_as_with_ours(name: str) -> None:
    found = find_interpreter(name)
    with open_sandbox(workers=1, python=found) as sandbox:
        for variant in VARIANTS:
            told = [sandbox.run(Job("p", code, calls=["{}"], variant=variant))[0] for code in (WHO, DEEP, NEWER)]
            file = "/work/program.py" if variant.elsewhere else "/tmp/program.py"
            assert told[0].value_json == f'[[{found.version[0]},{found.version[1]}],1000,"{file}"]'
            assert told[1].value_json == ("961" if variant.elsewhere else "998")
            assert told[2].value_json == ("1" if found.version >= (3, 12, 0) else None)
    real = subprocess.run(
        [name, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
    )
    assert real.stdout.strip() == ".".join(map(str, found.version))


@pytest.mark.parametrize("name", [sys.executable, *others()])
def test_files_are_read_by_it(name: str) -> None:
    python = find_interpreter(name)
    texts = {"def f[T](x: T) -> T:\n    return x\n": True, "type A = int\n": False, 'x = f"{d["a"]}"\n': False}
    for text, computes in texts.items():
        assert python.computes(text) is (computes if python.version >= (3, 12, 0) else None)
    assert python.computes("def f(a, a):\n    return a\n") is None
    assert python.computes("(" * 10_000) is None
    assert python.computes("lambda: '\u00e4'") is True


def test_a_file_that_only_the_newer_python_reads_is_eligible() -> None:
    newer = [found for name in others() if (found := find_interpreter(name)).version[:2] > sys.version_info[:2]]
    if not newer:
        pytest.skip("no Python on this machine is newer than the one that runs the tests")
    code = "def f[T](x: T) -> T:\n    return x\n"
    filters = Filters.model_validate({"min_chars": 0})
    assert (reject_file(code, filters) or ("",))[0] == "newer_syntax"
    assert reject_file(code, filters, newer[0].minor, newer[0].computes) is None
    assert (reject_file("def f(:", filters, newer[0].minor, newer[0].computes) or ("",))[0] == "syntax_error"


def test_a_virtual_environment_brings_its_own_packages(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    bare = find_interpreter(str(tmp_path / "bare" / "bin" / "python"))
    assert tmp_path in bare.packages.parents
    code = "import numpy\ndef main_solution(): return numpy.__name__"
    with open_sandbox(workers=1, python=bare) as sandbox:
        assert sandbox.run(Job("p", code, calls=["{}"]))[0].error_type == "ModuleNotFoundError"
    with open_sandbox(workers=1) as sandbox:
        assert sandbox.run(Job("p", code, calls=["{}"]))[0].value_json == '"numpy"'


def test_what_cannot_run_programs_is_told_in_one_line(tmp_path: Path) -> None:
    wrong = {
        "no-such-python": "there is no such program; give a path",
        str(tmp_path / "gone"): "there is no such program",
        str(tmp_path): "there is no such program",
        fake(tmp_path / "true", "true"): "does not answer as a Python 3",
        fake(tmp_path / "crash", "kill -9 $$"): "does not answer as a Python 3",
        fake(tmp_path / "list", "echo '[1]'"): "does not answer as a Python 3",
        fake(tmp_path / "deep", f"echo '{'[' * 5000}'"): "does not answer as a Python 3",
        fake(tmp_path / "old", told(version=[3, 10, 2])): "Python 3.10.2, and CPython 3.11 or newer is needed",
        fake(tmp_path / "pypy", told(implementation="pypy")): "it is pypy 3.12.1, and CPython",
        fake(tmp_path / "bare", told(missing=["ctypes"])): "Python 3.12.1 there lacks ctypes",
    }
    for name, why in wrong.items():
        with pytest.raises(SandboxUnavailable) as raised:
            find_interpreter(name)
        assert why in str(raised.value)
        assert "\n" not in str(raised.value)


def told(**changed: Any) -> str:
    fields = {
        "implementation": "cpython", "version": [3, 12, 1], "missing": [], "executable": "/p", "prefix": "/",
        "library": "/l", "packages": "/s",
    } | changed  # fmt: skip
    return f"echo '{json.dumps(fields)}'"


def test_an_interpreter_that_was_replaced_is_asked_again(tmp_path: Path) -> None:
    name = fake(tmp_path / "python", told())
    assert find_interpreter(name).minor == "3.12"
    fake(tmp_path / "python", told(version=[3, 13, 0]))
    os.utime(tmp_path / "python", ns=(1, 1))
    assert find_interpreter(name).minor == "3.13"


def installed(environment: Path, name: str, code: str, needs: str = "") -> None:
    """Put a distribution into a virtual environment as pip leaves it: a module, and what tells of it."""
    (site,) = environment.glob("lib/python3.*/site-packages")
    (site / f"{name}.py").write_text(code)
    told = site / f"{name}-1.2.dist-info"
    told.mkdir()
    requires = f"Requires-Dist: {needs}\nRequires-Dist: absent; extra == 'more'\n" if needs else ""
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{requires}")
    (told / "RECORD").write_text(f"{name}.py,,\n{told.name}/METADATA,,\n../../../bin/{name},,\n")


def test_packages_that_are_named_come_with_what_they_need(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    name = str(tmp_path / "bare" / "bin" / "python")
    installed(tmp_path / "bare", "shapes", "import inner_shapes\nside = inner_shapes.side", "inner-shapes>=1")
    installed(tmp_path / "bare", "inner_shapes", "side = 3")
    installed(tmp_path / "bare", "other", "side = 4")
    found = find_interpreter(name, ["shapes"])
    assert [(package.name, package.version) for package in found.extras] == [("shapes", "1.2")]

    def run(module: str, python: Interpreter) -> str | None:
        with open_sandbox(workers=1, python=python) as sandbox:
            code = f"import {module}\ndef main_solution(): return {module}.side"
            (outcome,) = sandbox.run(Job("p", code, calls=["{}"]))
        return outcome.value_json or outcome.error_type

    assert run("shapes", found) == "3"
    assert run("other", found) == "ModuleNotFoundError", "what nobody named stays out"
    assert run("shapes", find_interpreter(name)) == "ModuleNotFoundError"
    with pytest.raises(
        SandboxUnavailable, match=r"names absent, gone, not installed in .*: install them for the sandbox"
    ):
        find_interpreter(name, ["shapes", "gone", "absent"])
    installed(tmp_path / "bare", "absent", "import nothing_of_the_kind")
    with pytest.raises(SandboxUnavailable, match=r"cannot import absent.*ModuleNotFoundError.*nothing_of_the_kind"):
        run("absent", find_interpreter(name, ["absent"]))
