r"""KOR-Bench's rules of comparison: when an answer in double brackets is right, by category, rule and item.

What lives here: pure comparisons of texts. What does not: files, prompts and totals (`benchmark`). The public scorer
runs model text of puzzle rules 9 and 10 through eval; here it is parsed as arithmetic, and nothing else counts.
An empty answer is never right; in the public scorer it is for puzzle rule 4, as a part of every text.

Formulas: the public scorer reads 49 items of the category operation as LaTeX, and compares texts where its parser
fails. In the published results it failed always (each verdict is that of the texts), so that texts decide here too;
whether the formulas are equal is a column of its own.

Source: KOR-Bench/KOR-Bench (Apache-2.0), its evaluation as described in the repository and in OpenCompass.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from codeio_assets.benchmarks.answers import NoArithmetic, arithmetic
from codeio_assets.benchmarks.latex import NoFormula, antlr_formula, simplified

SYMBOLIC_ITEMS: Final = frozenset(
    {18, 73, 74, 77, 94, 115, 116, 117, 121, 122, 123, 125, 131, 132, 134, 135, 136, 141, 143, 149}
    | {145, 146, 147, *range(151, 157), 160, 161, 162, 164, 165, 166, 170, 206, 209, *range(211, 216), 217, 218}
)
"""Items of the category operation whose answers are formulas."""
INEQUALITY_ITEMS: Final = frozenset({178, 179})
DIGIT_RULES: Final = frozenset({"23", "24", "25"})
MAX_FORMULA_CHARS: Final = 500

_INEQUALITY: Final = re.compile(r"[≥≤]\s*+-?\d+\.?\d*")
_WORD: Final = re.compile(r"\W+")
_NO_LETTER: Final = re.compile(r"[^A-Za-z]")
_OPERATOR: Final = re.compile(r"[+\-*/]")
_EQUALS: Final = re.compile(r"=\s*+(-?\d+)")
_SEPARATOR: Final = re.compile(r"[,\s\[\]]+")


def bracketed(text: str) -> str | None:
    r"""Return the first answer in `[[...]]`, or else in `$\boxed{...}$`, or else in `[...]`; None without any."""
    for opening, closing in (("[[", "]]"), ("$\\boxed{", "}$"), ("[", "]")):
        found = _between(text, opening, closing)
        if found is not None:
            return found.strip()
    return None


def double_bracketed(text: str) -> str | None:
    """Return the first answer in `[[...]]`, as it stands there; puzzles accept no other."""
    return _between(text, "[[", "]]")


def _between(text: str, opening: str, closing: str) -> str | None:
    start = text.find(opening)
    end = text.find(closing, start + len(opening))
    return text[start + len(opening) : end] if 0 <= start < end + 1 and end >= 0 else None


def is_right(response: str, gold: str, category: str, rule_id: str, idx: str) -> bool:
    """Return whether a response answers an item rightly; `gold` is the answer in double brackets."""
    if category == "puzzle":
        given, wanted = double_bracketed(response), double_bracketed(gold)
        return bool(given) and wanted is not None and _PUZZLES.get(rule_id, _same_letters)(given or "", wanted)
    if bracketed(response) is None:
        return False
    if category == "logic":
        return _logic(response, gold, rule_id)
    if category == "operation":
        return _operation(response, gold, rule_id, int(idx) if idx.isdecimal() else -1)
    return cleaned(response) == gold


def cleaned(text: str) -> str:
    """Return the answer without quotation marks, blanks and brackets, in double brackets again."""
    return _stripped(text, '"\n []')


def _stripped(text: str, unwanted: str) -> str:
    return f"[[{_without(bracketed(text) or '', *unwanted)}]]"


def _without(text: str, *unwanted: str) -> str:
    for each in unwanted:
        text = text.replace(each, "")
    return text


def _logic(response: str, gold: str, rule_id: str) -> bool:
    given, wanted = _stripped(response, '"\n .'), _stripped(gold, '"\n .')
    if rule_id == "5":
        return sorted(given.split(";")) == sorted(gold.split(";"))
    return given == wanted


def _operation(response: str, gold: str, rule_id: str, idx: int) -> bool:
    if idx in INEQUALITY_ITEMS:
        return _inequalities(cleaned(response)) == _inequalities(gold)
    if rule_id == "18":
        return sorted(_WORD.sub("", cleaned(response))) == sorted(_WORD.sub("", double_bracketed(gold) or ""))
    if rule_id in DIGIT_RULES:
        return _numbers(cleaned(response)) == _numbers(gold)
    if idx in SYMBOLIC_ITEMS:
        return _formula(response) == _formula(gold)
    if "or" in gold:
        return _alternatives(cleaned(response)) == _alternatives(cleaned(gold))
    return cleaned(response) == gold


def _numbers(text: str) -> list[str]:
    return [digits.lstrip("0") for digits in re.findall(r"\d+", text)]


def _inequalities(text: str) -> list[str]:
    return sorted(re.sub(r"\s", "", match) for match in _INEQUALITY.findall(text))


def _alternatives(text: str) -> list[str]:
    return sorted(part.strip() for part in text.replace("\\text{or}", "or").strip("[]").split("or"))


def _formula(text: str) -> str:
    """Return the answer as LaTeX, without what is only there for print."""
    answer = _without(bracketed(text) or "", *'"\n[]$')
    if "=" in answer:
        answer = answer.rpartition("=")[2]
    answer = re.sub(r"\\[()\[\]]", "", answer)
    answer = re.sub(r"\\text\{[^}]*+\}", "", answer)
    answer = re.sub(r"\\(?:left|right|displaystyle)", "", answer)
    return answer.replace("\\\\", "\\")


def is_same_formula(response: str, gold: str) -> bool:
    """Return whether two formulas are equal once simplified; where one cannot be read, whether the texts are."""
    given, wanted = _formula(response), _formula(gold)
    if given == wanted or len(given) > MAX_FORMULA_CHARS:
        return given == wanted
    try:
        if "or" in wanted:
            return {_simplified(part.strip()) for part in given.split("or")} == {
                _simplified(part.strip()) for part in wanted.split("or")
            }
        return _simplified(given) == _simplified(wanted)
    except NoFormula:
        return given == wanted


@lru_cache(maxsize=2_000)
def _simplified(latex: str) -> object:
    try:
        return simplified(antlr_formula(latex))
    except Exception as error:  # sympy raises nearly anything on what is no number
        raise NoFormula(str(error)) from None


def _same_letters(given: str, wanted: str) -> bool:
    return _WORD.sub("", given) == _WORD.sub("", wanted)


def _letters(text: str) -> str:
    return _NO_LETTER.sub("", text).lower()


def _same_word_set(given: str, wanted: str) -> bool:
    return sorted(word for word in _WORD.split(given.lower()) if word) == sorted(wanted.split(" "))


def _part_of(given: str, wanted: str) -> bool:
    letters = _letters(given)
    return letters != "" and letters in wanted


def _same_list(given: str, wanted: str) -> bool:
    return sorted(re.sub(r"\s+", "", given).split(",")) == sorted(wanted.split(","))


def _signs_as_written(text: str) -> str:
    return text.replace("×", "*").replace("−", "-")


def _completed_equation(given: str, wanted: str) -> bool:
    """Rule 9: the gold answer's operators in their order, and its value."""
    left, gold = _signs_as_written(given).partition("=")[0], _signs_as_written(wanted)
    value = _EQUALS.search(gold)
    if value is None or _OPERATOR.findall(left) != _OPERATOR.findall(gold.partition("=")[0]):
        return False
    return _has_value(left, int(value[1]))


def _makes_24(given: str, wanted: str) -> bool:
    """Rule 10: the gold answer's digits, and the value 24."""
    left = _signs_as_written(given).partition("=")[0]
    gold = wanted.partition("\n")[0].partition("=")[0]
    return sorted(_WORD.sub("", left)) == sorted(_WORD.sub("", gold)) and _has_value(left, 24)


def _has_value(text: str, value: int) -> bool:
    try:
        return arithmetic(text) == value
    except NoArithmetic:
        return False


_PUZZLES: Final[dict[str, Callable[[str, str], bool]]] = {
    "1": lambda given, wanted: _letters(given) == _letters(wanted),
    "2": lambda given, wanted: _letters(given) in wanted.split(","),
    "3": _same_word_set,
    "4": _part_of,
    "5": _same_list,
    "9": _completed_equation,
    "10": _makes_24,
    "18": lambda given, wanted: _SEPARATOR.sub("", given) == _SEPARATOR.sub("", wanted),
}
