"""Where some code gets a function from that others call by name, and which arguments it takes, without running it.

What lives here: definitions, also conditional ones, lambdas, aliases; whatever else binds the name may take anything,
which a call will show. What does not: which arguments are wanted (`transform`, `pair_rules`).
"""

import ast
from collections.abc import Iterable, Iterator

from codeio_assets.core.method.raw_code import parse_quietly

ANYTHING = ast.arguments([], [], ast.arg("args"), [], [], ast.arg("kwargs"), [])
"""The arguments of what cannot be told."""
_BLOCKS = (ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match)
_Binding = ast.FunctionDef | ast.expr | None


def arguments_of(code: str, name: str) -> ast.arguments | None:
    """Return the arguments of what the name is bound to at the end of the code, None where nothing binds it.

    Raises:
        SyntaxError: the code is no Python.
    """
    return _arguments(parse_quietly(code).body, name, seen=frozenset())


def _arguments(body: list[ast.stmt], name: str, seen: frozenset[str]) -> ast.arguments | None:
    """Return the arguments by the last statement that binds the name; where its branches differ, anything."""
    for statement in reversed(body):
        found = [_arguments_of_binding(binding, body, seen | {name}) for binding in _bindings(statement, name)]
        if found:
            return found[-1] if len({ast.dump(each) for each in found}) == 1 else ANYTHING
    return None


def _arguments_of_binding(binding: _Binding, body: list[ast.stmt], seen: frozenset[str]) -> ast.arguments:
    if isinstance(binding, ast.FunctionDef | ast.Lambda):
        return binding.args
    if isinstance(binding, ast.Name) and binding.id not in seen:
        return _arguments(body, binding.id, seen) or ANYTHING
    return ANYTHING


def _bindings(statement: ast.stmt, name: str) -> Iterator[_Binding]:
    """Yield what a statement binds the name to, None where it cannot be told."""
    match statement:
        case ast.FunctionDef() if statement.name == name:
            yield statement
        case ast.ClassDef() if statement.name == name:
            yield None
        case ast.Assign():
            if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
                yield statement.value
        case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
            yield value
        case ast.Import() | ast.ImportFrom():
            if any((alias.asname or alias.name) == name for alias in statement.names):
                yield None
        case _ if isinstance(statement, _BLOCKS):
            for inner in _statements(ast.iter_child_nodes(statement)):
                yield from _bindings(inner, name)
        case _:
            return


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    for node in nodes:
        if isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from node.body
