"""The shape of the package: documented modules of a readable size."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "codeio_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_MODULES = 14
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "tools", "lib"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_every_module_says_what_it_holds() -> None:
    for path in MODULES:
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert docstring, f"{name_of(path)} has no docstring"
        assert docstring.splitlines()[0].endswith((".", ":")), name_of(path)


def test_every_module_can_be_read_at_once() -> None:
    long = {
        name_of(path): lines for path in MODULES if (lines := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_a_folder_of_many_modules_says_why() -> None:
    silent: list[str] = []
    for room in sorted(PACKAGE.rglob("__init__.py")):
        words = " ".join((ast.get_docstring(ast.parse(room.read_text("utf-8"))) or "").lower().split())
        if len(list(room.parent.glob("*.py"))) - 1 > MAX_MODULES and "more modules" not in words:
            silent.append(name_of(room.parent))
    assert silent == []


def test_no_name_is_vague() -> None:
    assert [name_of(path) for path in MODULES if {path.stem, path.parent.name} & VAGUE] == []


def test_definitions_keep_their_annotations() -> None:
    """Dagster reads annotations as objects; postponed ones are text."""
    for path in (PACKAGE / "defs").rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text("utf-8"), name_of(path)


def test_definitions_hold_definitions_only() -> None:
    """Every file under defs is imported whenever the code location is loaded: helpers live elsewhere."""
    for path in (PACKAGE / "defs").rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                assert node.decorator_list, f"{name_of(path)}: {node.name} is no definition"
