"""Reading LaTeX as sympy does it, with its ANTLR grammar, under any version of the ANTLR runtime.

What does not live here: `math-verify`, which MATH is judged with and which has a grammar of its own.
"""

import contextlib
import io
import warnings
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
    from sympy.parsing.latex import _parse_latex_antlr  # pyright: ignore[reportAttributeAccessIssue]

    grammar: Any = _parse_latex_antlr
    grammar.version = lambda _: "4.11"
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return grammar.parse_latex(latex)
        except Exception as error:  # the grammar's actions raise nearly anything on text that is no formula
            raise NoFormula(str(error)) from None
