"""Reading LaTeX as sympy does it, with its ANTLR grammar, under any version of the ANTLR runtime.

What does not live here: `math-verify`, which MATH is judged with and which has a grammar of its own.
"""

import contextlib
import io
import warnings
from importlib import import_module
from typing import Any


class NoFormula(ValueError):  # noqa: N818
    """A text is no formula, for this grammar."""


def antlr_formula(latex: str) -> Any:
    """Return the expression that sympy's ANTLR grammar reads in a text.

    sympy (1.14) asks for version 4.11 of the runtime and dagster brings 4.13: both read the same serialised grammar,
    so that only the question after the version is answered for sympy. Its notice of two versions is not printed.

    Raises:
        NoFormula: it cannot be read.
    """
    grammar: Any = import_module("sympy.parsing.latex._parse_latex_antlr")
    grammar.version = _version_that_sympy_asks_for
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return grammar.parse_latex(latex)
        except Exception as error:  # the grammar's actions raise nearly anything on text that is no formula
            raise NoFormula(str(error)) from None


def _version_that_sympy_asks_for(package: str) -> str:
    return "4.11"


def lark_formulas(latex: str) -> list[Any]:
    """Return the expressions that sympy's Lark grammar reads in a text: more than one where it is ambiguous.

    Raises:
        NoFormula: it cannot be read.
    """
    parser, tree_class = import_module("sympy.parsing.latex"), import_module("lark").Tree
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: Any = parser.parse_latex(latex, backend="lark")
        except Exception as error:  # the parser raises nearly anything on text that is no formula
            raise NoFormula(str(error)) from None
    return list(found.children) if isinstance(found, tree_class) else [found]


def simplified(expression: Any) -> Any:
    """Return an expression as sympy simplifies it; sympy takes seconds to load, and is loaded here."""
    return import_module("sympy").simplify(expression)
