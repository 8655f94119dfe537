"""Pointers in docstrings, comments and pages lead somewhere: modules and what they define, files, folders.

What counts as a pointer: in the package, a name in backticks in what a module says does not live there, a dotted name
whose first part is a room or module of the package, or whose last is a class or a constant; in pages, a path in
backticks below a room; everywhere, a path that begins with a folder of the repository. Links of pages are tested in
`test_documentation`.
"""

import ast
import importlib.util
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from codeio_assets.project import INSTALLED_ROOT as ROOT

PACKAGE = ROOT / "codeio_assets"
CODE = sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("codeio_assets_tests/**/*.py"), *ROOT.glob("tools/*.py")])
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
SETTINGS = [*sorted(ROOT.glob("*.yaml")), *sorted(ROOT.glob("recipes/*.yaml")), ROOT / "Makefile"]
QUERIES = sorted(ROOT.glob("sql/**/*.sql"))

ELSEWHERE = re.compile(r"\bWhat (?:does not|doesn't)\b.*", re.DOTALL)
QUOTED = re.compile(r"`([A-Za-z_][\w.]*?)(?:\(\))?`")
DOTTED = re.compile(r"`((?:codeio_assets\.)?[a-z_]\w*(?:\.\w+)+)(?:\(\))?`")
SUFFIXES = ("py", "md", "sql", "yaml", "toml", "css", "js", "html", "jinja", "jsonl", "png", "tar.gz")
FOLDERS = ("codeio_assets", "codeio_assets_tests", "docs", "recipes", "samples", "sql", "tools")
PATH = re.compile(rf"(?<![\w./<>-])((?:{'|'.join(FOLDERS)})/[\w./*<>-]*[\w*>/])")


EXAMPLES = {"recipes/ours.yaml", "codeio_assets/samples"}
"""What looks like a path of the repository and is a file that a reader writes, and the name of a repository."""


MADE = {"var"}
"""Folders that are made."""


@cache
def text_of(file: Path) -> str:
    """Return the docstrings and comments of a module."""
    source = file.read_text("utf-8")
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline) if "#" in source else ()
    return "\n".join([*texts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


@cache
def defined(module: Path) -> frozenset[str]:
    """Return what a module defines or imports, and the members of its classes as `Class.member`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    names.add(f"{node.name}.{member.name}")
                elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                    names.add(f"{node.name}.{member.target.id}")
    return frozenset(names)


def leads_to(place: Path, parts: list[str]) -> bool:
    """Tell whether a dotted name, read from a folder of the package, is a room, a module, or what one defines."""
    if not parts:
        return True
    file, folder = place / f"{parts[0]}.py", place / parts[0]
    if file.is_file() and (len(parts) == 1 or ".".join(parts[1:]) in defined(file)):
        return True
    if folder.is_dir() and leads_to(folder, parts[1:]):
        return True
    own = place / "__init__.py"
    return place != PACKAGE and own.is_file() and ".".join(parts) in defined(own)


def resolves(name: str, file: Path) -> bool:
    """Tell whether a name, as written in a module, leads to something: from its folder, one above, or the package."""
    if (file.parent / name).is_file() or (ROOT / name).is_file():
        return True
    parts = name.removeprefix("codeio_assets.").split(".")
    folders = [folder for folder in file.parents if folder == PACKAGE or PACKAGE in folder.parents]
    return name in defined(file) or any(leads_to(folder, parts) for folder in folders)


def rooms() -> set[str]:
    """Return the names of the folders and modules at the top of the package."""
    return {path.stem for path in PACKAGE.iterdir() if path.suffix in {"", ".py"} and not path.name.startswith("_")}


def dead_names(file: Path) -> Iterator[str]:
    """Yield the names in a module of the package that lead nowhere."""
    for name in DOTTED.findall(text_of(file)):
        begins, ends = name.split(".")[0], name.split(".")[-1]
        ours = begins in {"codeio_assets", *rooms()}
        of_a_kind = ends[0].isupper() and begins not in defined(file) and not importlib.util.find_spec(begins)
        if (ours or of_a_kind) and not resolves(name, file):
            yield name
    for name in QUOTED.findall("".join(ELSEWHERE.findall(ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""))):
        if not resolves(name, file):
            yield name


def dead_paths(text: str) -> Iterator[str]:
    """Yield the paths in a text that no file or folder has; `<name>` and `*` stand for anything."""
    for path in PATH.findall(text):
        pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/.")
        if path not in EXAMPLES and not any(ROOT.glob(pattern)):
            yield path


def dead_rooms(page: str) -> Iterator[str]:
    """Yield the folders in backticks, and the paths below a room, that neither repository nor package has."""
    folders, below = re.findall(r"`([a-z_]+)/`", page), re.findall(rf"`((?:{'|'.join(rooms())})/[\w./*-]+)`", page)
    for path in [*folders, *below]:
        if not any(PACKAGE.glob(path)) and not any(ROOT.glob(path)) and path not in MADE:
            yield path


def told(dead: dict[Path, list[str]]) -> str:
    """Return a line per dead pointer: the file it stands in, and what it says."""
    return "".join(f"\n{file.relative_to(ROOT)}: {name}" for file, names in sorted(dead.items()) for name in {*names})


def test_names_in_the_package_lead_somewhere() -> None:
    assert not (dead := told({file: [*dead_names(file)] for file in PACKAGE.rglob("*.py")})), dead


def test_paths_in_code_lead_somewhere() -> None:
    paths = {file: [*dead_paths(text_of(file))] for file in CODE}
    assert not (dead := told(paths)), dead


def test_rooms_in_pages_lead_somewhere() -> None:
    assert not (dead := told({page: [*dead_rooms(page.read_text("utf-8"))] for page in PAGES})), dead


def test_paths_in_pages_settings_and_queries_lead_somewhere() -> None:
    files = [*PAGES, *SETTINGS, *QUERIES]
    assert not (dead := told({file: [*dead_paths(file.read_text("utf-8"))] for file in files})), dead


@pytest.mark.parametrize(
    ("docstring", "dead"),
    [
        ("What does not live here: `core.values.literals`, (`literals`), `core.values.literals.read_literal`.", []),
        ("What does not: `core.values.gone`, `gone`.", ["core.values.gone", "gone"]),
        ("What does not live here: `literals.gone`.", ["literals.gone"]),
        ("As `settings.GONE` says, and `signal.SIGINT`.", ["settings.GONE"]),
        ("Rests on `core.values.gone` and `json.loads`.", ["core.values.gone"]),
    ],
)
def test_a_dead_name_is_found(docstring: str, dead: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "codeio_assets" / "core" / "values"
    room.mkdir(parents=True)
    (room / "literals.py").write_text("def read_literal(): ...\n")
    (room / "own.py").write_text(f'"""{docstring}"""\n')
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "codeio_assets")
    assert sorted({*dead_names(room / "own.py")}) == dead


def test_a_dead_path_is_found() -> None:
    text = "docs/gone.md, `sql/checks/gone.sql`, sql/checks/<asset>__<rule>.sql, docs/tutorial.md; https://x.org/docs/y"
    assert [*dead_paths(text)] == ["docs/gone.md", "sql/checks/gone.sql"]
