"""Python expressions in words, for people who read a walk through a computation and not its code.

What lives here: one expression at a time, from its syntax. What does not: what the expression came to (`traces`).
"""

import ast
from collections.abc import Callable
from typing import Final

BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "{} plus {}",
    ast.Sub: "{} minus {}",
    ast.Mult: "{} times {}",
    ast.Div: "{} divided by {}",
    ast.FloorDiv: "the whole part of {} divided by {}",
    ast.Mod: "the remainder of {} divided by {}",
    ast.Pow: "{} to the power of {}",
    ast.BitAnd: "the bits common to {} and {}",
    ast.BitOr: "{} joined with {}",
    ast.BitXor: "the bits in which {} and {} differ",
    ast.LShift: "{} shifted left by {} bits",
    ast.RShift: "{} shifted right by {} bits",
}
COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "{} equals {}",
    ast.NotEq: "{} differs from {}",
    ast.Lt: "{} is less than {}",
    ast.LtE: "{} is at most {}",
    ast.Gt: "{} is greater than {}",
    ast.GtE: "{} is at least {}",
    ast.In: "{} is among {}",
    ast.NotIn: "{} is not among {}",
    ast.Is: "{} is {}",
    ast.IsNot: "{} is not {}",
}
FUNCTIONS: Final = {
    "len": "the number of items in {}",
    "sum": "the sum of {}",
    "min": "the smallest of {}",
    "max": "the largest of {}",
    "abs": "the absolute value of {}",
    "sorted": "{} in order",
    "reversed": "{} in reverse",
    "set": "the distinct items of {}",
    "list": "the items of {}",
    "str": "{} as text",
    "int": "{} as a whole number",
    "float": "{} as a number",
    "round": "{} rounded",
    "range": "the numbers counted by {}",
    "enumerate": "{} with positions",
    "zip": "the pairs of {}",
    "ord": "the code of the character {}",
    "chr": "the character with the code {}",
}
METHODS: Final = {
    "append": "{1} put at the end of {0}",
    "add": "{1} added to {0}",
    "pop": "what is taken out of {0}",
    "lower": "{0} in lower case",
    "upper": "{0} in upper case",
    "strip": "{0} without blanks at the ends",
    "split": "the parts of {0}",
    "join": "{1} joined by {0}",
    "items": "the entries of {0}",
    "keys": "the keys of {0}",
    "values": "the values of {0}",
    "count": "how often {1} is in {0}",
    "index": "the place of {1} in {0}",
    "get": "the entry of {0} for {1}",
    "replace": "{0} with {1} replaced",
    "startswith": "{0} begins with {1}",
    "endswith": "{0} ends with {1}",
    "isdigit": "{0} consists of digits",
    "isalpha": "{0} consists of letters",
}
LONGEST: Final = 160
"""Characters of a phrase; a longer one says no more than that something was worked out."""


def in_words(node: ast.expr) -> str | None:
    """Return an expression in words, or None where that would be longer or stranger than its value alone."""
    try:
        text = _words(node)
    except _Unworded:
        return None
    return text if len(text) <= LONGEST else None


def condition_in_words(node: ast.expr) -> str | None:
    """Return a condition in words that can follow "it holds that", or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = in_words(node.operand)
        return None if inner is None or isinstance(node.operand, _CLAUSES) else f"{inner} counts as false"
    if isinstance(node, ast.BoolOp):
        parts = [condition_in_words(value) for value in node.values]
        joined = (" and " if isinstance(node.op, ast.And) else " or ").join(part or "" for part in parts)
        return joined if all(parts) and len(joined) <= LONGEST else None
    words = in_words(node)
    return words if words is None or isinstance(node, _CLAUSES) or _is_clause(node) else f"{words} counts as true"


def _is_clause(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("startswith", "endswith", "isdigit", "isalpha")
    )


class _Unworded(Exception):  # noqa: N818
    """There are no words for this expression."""


def _words(node: ast.expr) -> str:
    worder = _WORDERS.get(type(node))
    if worder is None:
        raise _Unworded
    return worder(node)


def _binary(node: ast.BinOp) -> str:
    return BINARY[type(node.op)].format(_part(node.left), _part(node.right)) if type(node.op) in BINARY else _no()


def _compare(node: ast.Compare) -> str:
    left, parts = _part(node.left), list[str]()
    for operator, right in zip(node.ops, node.comparators, strict=True):
        parts.append(COMPARISONS[type(operator)].format(left, _part(right)))
        left = _part(right)
    return " and ".join(parts)


def _boolean(node: ast.BoolOp) -> str:
    return (" and " if isinstance(node.op, ast.And) else " or ").join(_words(value) for value in node.values)


def _unary(node: ast.UnaryOp) -> str:
    if isinstance(node.op, ast.Not):
        return f"it does not hold that {_words(node.operand)}"
    return f"minus {_part(node.operand)}" if isinstance(node.op, ast.USub) else _no()


def _call(node: ast.Call) -> str:
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        return _no()
    given = [_part(argument) for argument in node.args]
    if isinstance(node.func, ast.Name):
        if node.func.id in FUNCTIONS and given:
            return FUNCTIONS[node.func.id].format(" and ".join(given))
        return f"what `{node.func.id}` gives for {' and '.join(given)}" if given else f"what `{node.func.id}` gives"
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        wanted = METHODS[node.func.attr]
        if "{1}" in wanted and not given:
            return _no()
        return wanted.format(_part(node.func.value), *given[:1])
    return _no()


def _subscript(node: ast.Subscript) -> str:
    if isinstance(node.slice, ast.Slice):
        return _slice(node.value, node.slice)
    return f"the entry of {_part(node.value)} at {_part(node.slice)}"


def _slice(value: ast.expr, part: ast.Slice) -> str:
    if part.step is not None:
        return _no()
    begin = f" from {_part(part.lower)}" if part.lower else ""
    end = f" up to before {_part(part.upper)}" if part.upper else ""
    return f"the part of {_part(value)}{begin}{end}" if begin or end else f"a copy of {_part(value)}"


def _choice(node: ast.IfExp) -> str:
    return f"{_part(node.body)} if {_words(node.test)}, else {_part(node.orelse)}"


def _constant(node: ast.Constant) -> str:
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, str):
        return f'"{node.value}"' if node.value.isprintable() and len(node.value) <= 40 else _no()
    return repr(node.value) if isinstance(node.value, int | float) else _no()


def _name(node: ast.Name) -> str:
    return f"`{node.id}`"


def _attribute(node: ast.Attribute) -> str:
    return f"`{node.attr}` of {_part(node.value)}"


def _part(node: ast.expr) -> str:
    """Return the words of an operand; one that has operands itself stands in parentheses."""
    words = _words(node)
    is_negative = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    is_composed = isinstance(node, ast.BinOp | ast.Compare | ast.BoolOp | ast.IfExp | ast.UnaryOp) and not is_negative
    return f"({words})" if is_composed else words


_CLAUSES: Final = (ast.Compare, ast.BoolOp)


def _no() -> str:
    raise _Unworded


_WORDERS: Final[dict[type[ast.expr], Callable[..., str]]] = {
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.IfExp: _choice,
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
}
