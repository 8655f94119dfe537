"""Which raw files can become functions: rules on one file's text.

What does not live here: reading files (`sources`), near-duplicates, labels by a model, what is newer Python
(`newer_syntax`).
"""

import ast
import symtable
import sys
import warnings
from typing import Final

from codeio_assets.core.method.newer_syntax import COMPUTATION, Elsewhere, newer_part
from codeio_assets.core.settings.project import Filters

OWN_VERSION: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"
MAX_CODE_CHARS: Final = 1_000_000
"""A tree takes a hundred times the memory of its text."""


def parse_quietly(code: str) -> ast.Module:
    """Parse Python without the warnings that odd but valid code draws.

    Raises:
        SyntaxError: not Python; every way in which the parser gives up ends as this.
    """
    return parse_with_symbols(code)[0]


def parse_with_symbols(code: str) -> tuple[ast.Module, symtable.SymbolTable]:
    """Parse Python, and tell its names apart; some errors, such as an argument named twice, show only then.

    Raises:
        SyntaxError: as in `parse_quietly`.
    """
    if len(code) > MAX_CODE_CHARS:
        raise SyntaxError(f"longer than {MAX_CODE_CHARS:,} characters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code), symtable.symtable(code, "<code>", "exec")
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or type(error).__name__) from None


def reject_file(
    content: str, filters: Filters, python: str = OWN_VERSION, elsewhere: Elsewhere | None = None
) -> tuple[str, str] | None:
    """Return (reason, detail) when a file cannot become a function, else None.

    A file must be read by the Python that runs programs, whose version `python` is, such as 3.11. Where that is newer
    than this one, `elsewhere` asks it about what this one cannot read; without it, a file must be read here too.

    Reasons: `empty_file`, `too_short`, `too_long`, `newer_syntax`, `syntax_error`, and `no_computation` where there is
    no function, class, loop or comprehension.
    """
    text = content.strip()
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.split("\n")):
        return "empty_file", "nothing but blanks and comments"
    if len(text) < filters.min_chars:
        return "too_short", f"{len(text):,} characters, fewer than {filters.min_chars:,}"
    if len(text) > filters.max_chars:
        return "too_long", f"{len(text):,} characters, more than {filters.max_chars:,}"
    try:
        tree = parse_quietly(text)
        _require_syntax_of(python, text)
    except SyntaxError as error:
        computes = elsewhere(text) if elsewhere and _number(python) > _number(OWN_VERSION) else None
        if computes is None:
            return _syntax_problem(text, error, python)
    else:
        computes = any(type(node).__name__ in COMPUTATION for node in ast.walk(tree))
    return None if computes else ("no_computation", "no function, class, loop or comprehension")


def _syntax_problem(text: str, error: SyntaxError, python: str) -> tuple[str, str]:
    newer = newer_part(text, _is_python)
    if newer is not None:
        runs = _number(newer[1]) <= _number(python)
        who = f"the pipeline itself runs with {OWN_VERSION}" if runs else f"programs run with {python}"
        return "newer_syntax", f"{newer[0]} need Python {newer[1]}; {who}"
    return "syntax_error", f"line {error.lineno}: {error.msg}" if error.lineno else str(error)


def _require_syntax_of(python: str, text: str) -> None:
    """Refuse what the Python that runs programs does not read, where it is older than ours.

    Raises:
        SyntaxError: it cannot parse the text.
    """
    if _number(python) < _number(OWN_VERSION):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text, feature_version=_number(python))


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _is_python(code: str) -> bool:
    try:
        parse_quietly(code)
    except SyntaxError:
        return False
    return True
