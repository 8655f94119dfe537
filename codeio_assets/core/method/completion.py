"""Completing a model's code from the raw file: imports, helpers and constants that it uses but did not write out.

Small models often answer with `main_solution` alone and call the file's own helpers. The definitions are in the file,
so they are taken from there: top-level imports, functions, classes and assignments, with what they need in turn.
What does not live here: reading responses (`core.method.transform`); statements that run something are never taken.
"""

import ast
import builtins
from dataclasses import replace

from codeio_assets.core.method.raw_code import parse_quietly, parse_with_symbols
from codeio_assets.core.method.transform import ParsedFunction

Definition = (
    ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
)
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}


def complete_function(function: ParsedFunction, raw_file: str) -> tuple[ParsedFunction, tuple[str, ...]]:
    """Return the function with its reference code and generator completed, and the names that were taken."""
    code, names = complete_code(function.reference_code, raw_file)
    try:
        header, more = _missing_definitions(f"{code}\n\n{function.input_generator}", raw_file)
    except SyntaxError:  # each is Python, but not the one after the other: `global` after an assignment
        header, more = "", ()
    return replace(function, reference_code=code, input_generator=header + function.input_generator), (*names, *more)


def complete_code(code: str, raw_file: str) -> tuple[str, tuple[str, ...]]:
    """Return the code with missing definitions put before it, and their names in the order of the file.

    Raises:
        SyntaxError: the code is not Python. A raw file that is not Python completes nothing.
    """
    header, names = _missing_definitions(code, raw_file)
    if not header:
        return code, ()
    first = _length_of_future_imports(code)
    return f"{code[:first]}{header}{code[first:]}", names


def _missing_definitions(code: str, raw_file: str) -> tuple[str, tuple[str, ...]]:
    """Return the source of what the code lacks, ready to stand before it, and the names it defines."""
    wanted = sorted(undefined_names(code))
    raw_file = raw_file.replace("\r\n", "\n").replace("\r", "\n")  # as the parser counts lines
    try:
        available = _definitions(parse_quietly(raw_file))
    except SyntaxError:
        return "", ()
    taken: dict[tuple[int, int], str] = {}
    names: set[str] = set()
    while wanted:
        name = wanted.pop()
        node = available.get(name)
        if node is None or name in names:
            continue
        names.add(name)
        source = _source(raw_file, node)
        try:
            wanted += sorted(undefined_names(source) - names)
        except SyntaxError:  # a piece that stands only where it was
            continue
        taken[node.lineno, node.col_offset] = source
    header = "".join(f"{taken[place]}\n\n" for place in sorted(taken))
    return header, tuple(name for name in available if name in names)


def _length_of_future_imports(code: str) -> int:
    """Return where a definition may stand at the earliest: `from __future__` must come first."""
    futures = [
        node for node in parse_quietly(code).body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    last = (futures[-1].end_lineno or 0) if futures else 0
    return sum(len(line) + 1 for line in code.split("\n")[:last])


def undefined_names(code: str) -> set[str]:
    """Return names that the code uses as globals and neither defines nor finds among the builtins.

    Raises:
        SyntaxError: not Python.
    """
    table = parse_with_symbols(code)[1]
    defined = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used: set[str] = set()
    pending = [table]
    while pending:
        scope = pending.pop()
        pending.extend(scope.get_children())
        top = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            declared = symbol.is_global() and symbol.is_assigned()  # `global counter` in a function wants the module's
            if declared or (symbol.is_referenced() and (top or symbol.is_global())):
                used.add(symbol.get_name())
    return used - defined - _BUILTINS


def _definitions(tree: ast.Module) -> dict[str, Definition]:
    """Return top-level name -> the statement that defines it first; statements that draw input are left out."""
    found: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, Definition):
            for name in _names(node):
                found.setdefault(name, node)
    return found


def _names(node: Definition) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if node.value is None or _calls_for_input(node.value):
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _calls_for_input(value: ast.expr) -> bool:
    calls = (node.func for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(isinstance(call, ast.Name) and call.id in {"input", "open"} for call in calls)


def _source(raw_file: str, node: Definition) -> str:
    """Return a definition's source with its decorators, which `get_source_segment` leaves out.

    They are copied, not written anew from the tree, which fails on long integers and deep expressions.
    """
    piece = ast.get_source_segment(raw_file, node) or ""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    if not decorators:
        return piece
    lines = raw_file.split("\n")
    first = decorators[0].lineno - 1
    while first > 0 and not lines[first].lstrip().startswith("@"):
        first -= 1
    return "\n".join([*lines[first : node.lineno - 1], piece])
