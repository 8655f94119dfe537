"""Imports go one way: defs -> resources, orchestration -> engines -> core. Heavy ones wait until they are needed."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "codeio_assets"
NAME = PACKAGE.name
MODULES = sorted(PACKAGE.rglob("*.py"))

ENGINES = {"sandbox", "llm", "store", "training"}
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "lifecycle": set(),
    "sandbox": {"core"},
    "llm": {"core", "lifecycle", "store"},
    "store": {"core"},
    "training": {"core"},
    "sources": {"core", "store"},
    "benchmarks": {"core"},
    "evaluation": {"core", "benchmarks", "sandbox", "llm"},
    "steps": {"core", "sandbox", "llm", "sources", "store", "benchmarks", "evaluation"},
    "batch": {"core", "lifecycle", "sandbox", "steps", "benchmarks", "evaluation"},
    "rewards": {"core", "sandbox", "steps"},
    "project": {"core", "llm", "sources", "store"},
    "products": {"core", "project", "llm", "sandbox", "store", "steps", "rewards"},
    "browse": {"core", "lifecycle", "project", "products", "llm", "sandbox", "store", "steps"},
    "reports": {"core", "store", "project", "steps"},
    "graph": {"core", "project", "steps", "store", "sandbox", "training", "benchmarks"},
    "resources": {"core", "project", "graph", "sandbox", "llm", "store"},
    "running": {
        "core",
        "lifecycle",
        "benchmarks",
        "evaluation",
        "project",
        "sources",
        "steps",
        "graph",
        "resources",
        *ENGINES,
    },
    "checks": {"core", "lifecycle", "project", "steps", "graph", "running", "resources", *ENGINES},
    "operating": {
        "core",
        "lifecycle",
        "project",
        "sources",
        "steps",
        "products",
        "browse",
        "graph",
        "running",
        "checks",
        "definitions",
        *ENGINES,
    },
    "defs": {
        *("core", "project", "sources", "steps", "products", "reports", "graph", "resources", "running", "checks"),
        *("operating", "evaluation", *ENGINES),
    },
    "definitions": {"defs"},
    "cli": {
        *("core", "project", "sources", "steps", "rewards", "products", "browse", "operating", "batch", *ENGINES),
        *("lifecycle", "benchmarks", "evaluation"),
    },
}
"""Part of the package -> the parts that it may import, besides itself."""

MAY_IMPORT_DAGSTER = {"defs", "graph", "running", "checks", "operating", "resources", "definitions"}
HEAVY = {"torch", "transformers", "trl", "vllm", "accelerate", "datasets", "gguf", "peft", "safetensors"}
MAY_IMPORT_HEAVY = {"training", "sources"}
"""Parts that may import heavy packages inside functions."""
PROCESS = "training/process/"
"""What only the training process imports, and may therefore import heavy packages at its top."""
IMPURE = {
    "asyncio", "http", "httpx", "multiprocessing", "openai", "random", "requests", "secrets", "socket", "ssl",
    "subprocess", "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""What the core must not even import: network, clock, processes, chance."""


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(tree: ast.AST, path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a tree imports."""
    package = [NAME, *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def at_module_level(tree: ast.Module) -> ast.Module:
    """Return a module without what runs later: bodies of functions, and blocks for type checkers."""

    class Prune(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None: ...

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None: ...

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if "TYPE_CHECKING" in ast.unparse(node.test) else self.generic_visit(node)

    return Prune().visit(tree)


def tops(path: Path, module_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = imported(at_module_level(tree) if module_level else tree, path)
    return {name.split(".")[0] for name in names}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def breaches(rule: Callable[[Path], set[str]], paths: list[Path] = MODULES) -> dict[str, set[str]]:
    """Return module -> the imports that a rule objects to."""
    return {name_of(path): found for path in paths if (found := rule(path))}


def test_every_part_has_its_rule() -> None:
    assert {part_of(path) for path in MODULES} - {"__init__"} - set(MAY_IMPORT) == set()


def test_a_module_imports_only_what_is_below_it() -> None:
    def above(path: Path) -> set[str]:
        part = part_of(path)
        names = imported(ast.parse(path.read_text("utf-8")), path)
        own = {name.split(".")[1] for name in names if name.startswith(f"{NAME}.")}
        return own - {part} - MAY_IMPORT.get(part, set())

    assert breaches(above) == {}


def test_only_the_graph_knows_dagster() -> None:
    def unexpected(path: Path) -> set[str]:
        names = {name for name in tops(path) if name.startswith("dagster")}
        if part_of(path) in MAY_IMPORT_DAGSTER:
            return set()
        # A process that Dagster launches reports to it over Pipes, a package without dependencies.
        return names - ({"dagster_pipes"} if part_of(path) == "training" else set())

    assert breaches(unexpected) == {}


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    def heavy(path: Path) -> set[str]:
        return tops(path, module_level=name_of(path).split("/")[0] in MAY_IMPORT_HEAVY) & HEAVY

    light = [path for path in MODULES if not name_of(path).startswith(PROCESS)]
    assert breaches(heavy, light) == {}


def test_the_core_is_pure() -> None:
    core = [path for path in MODULES if part_of(path) == "core"]
    known = set(sys.stdlib_module_names) | {
        NAME,
        "json_repair",
        "pandera",
        "polars",
        "pydantic",
        "pydantic_core",
        "yaml",
    }
    assert breaches(lambda path: tops(path) & IMPURE, core) == {}
    assert breaches(lambda path: tops(path) - known, core) == {}


def test_private_parts_of_dagster_are_left_alone() -> None:
    for path in MODULES:
        for name in imported(ast.parse(path.read_text("utf-8")), path):
            assert not any(part.startswith("_") for part in name.split(".")[1:-1] if name.startswith("dagster")), path


def test_the_rules_have_no_way_round() -> None:
    """No part reaches itself through what it may import; only the local runs load the graph that they run."""

    def reach(part: str) -> set[str]:
        below = MAY_IMPORT[part] - {"definitions"}
        return below.union(*(reach(other) for other in below))

    assert [part for part in MAY_IMPORT if part in reach(part)] == []


def test_loading_the_package_loads_nothing_heavy() -> None:
    names = [".".join([NAME, *path.relative_to(PACKAGE).with_suffix("").parts]) for path in MODULES]
    files = {name_of(path): name for path, name in zip(MODULES, names, strict=True)}
    wanted = [name for file, name in files.items() if not file.startswith(PROCESS) and "inside/" not in file]
    program = (
        f"import importlib, sys\nfor name in {wanted}:\n    importlib.import_module(name.removesuffix('.__init__'))\n"
    )
    program += f"print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr[-2_000:]
