r"""LiveBench's mathematics: expressions (AMPS_Hard), contests, and proofs put into order (olympiad).

Each scorer returns (score, what was found). Expressions are parsed with sympy's Lark grammar, or else with its ANTLR
grammar, and equal when their difference simplifies to zero or to less than 0.001, as in the public scorer.

Source: LiveBench/LiveBench (Apache-2.0), process_results/math.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from codeio_assets.benchmarks.latex import NoFormula, antlr_formula, lark_formulas, simplified
from codeio_assets.benchmarks.livebench.edit_distance import edit_distance

MAX_EXPRESSION_CHARS: Final = 600
MAX_TOKENS: Final = 500
_SOLUTION: Final = re.compile(r"<solution>(.*?)</solution>")
_OPTION: Final = re.compile(r"\\textbf\{\(([A-E])\)\s?\}(.*?)(?:\\qquad|\$)")
_DIGITS: Final = re.compile(r"\d+")
_NEUTRAL: Final = (
    "+C",
    "+ C",
    "+ c",
    "+c",
    "\\left",
    "\\right",
    "\\bigl",
    "\\bigr",
    "\\Bigl",
    "\\Bigr",
    "\\,",
    "\\;",
    "\n",
)
_MARKS: Final = ("$", "{", "}", "\\", "boxed", "<", ">")
Numbers = list[int | None]


def last_boxed(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{...}`, or after the last `\boxed `, as the public scorer reads it."""
    if "\\boxed " in text:
        return text.rpartition("\\boxed ")[2].partition("$")[0]
    start = max(text.rfind("\\boxed"), -1)
    start = start if start >= 0 else text.rfind("\\fbox")
    if start < 0:
        return None
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            opening = text.find("{", start)
            return text[opening + 1 : match.start()].replace("$", "")
    return None


def lettered_contest(response: str, gold: str, question: str) -> tuple[float, str | None]:
    """Score a contest of five options: the letter four times in a row, in a tag or a box, or the option's text."""
    solutions = _SOLUTION.findall(response)
    if solutions and set(solutions[-1].lower()) == {gold.lower()}:
        return 1.0, solutions[-1]
    if gold * 4 in response:
        return 1.0, gold * 4
    boxed = last_boxed(response)
    plain = None if boxed is None else boxed.replace("\\text{", "").replace("}", "").replace("\\", "").lower()
    if plain == gold.lower():
        return 1.0, plain
    value = _option_text(question, gold)
    if value in response[-(20 + len(value)) :]:
        return 1.0, value
    return 0.0, plain or _repeated_letter(response)


def _repeated_letter(response: str) -> str | None:
    found = re.search(r"([A-F])\1{3}", response)
    return found[0] if found else None


def _option_text(question: str, letter: str) -> str:
    """Return the text of an option, or a word that stands for none."""
    options = {match[0]: match[1].strip() for match in _OPTION.findall(question)}
    return (options.get(letter) or "FAILURE").strip().strip("$").strip("~")


def aime(response: str, gold: str) -> tuple[float, str | None]:
    """Score a contest of three digits: they stand within the last fifty characters."""
    end = response[-50:]
    numbers = _DIGITS.findall(end)
    return (1.0, gold) if gold in end else (0.0, numbers[-1] if numbers else None)


def olympiad(response: str, gold: str) -> tuple[float, str | None]:
    """Score the order of a proof's formulas by edit distance to the right order."""
    wanted: Numbers = [int(number) for number in gold.split(",")]
    given = _order(response)[:MAX_TOKENS]
    longest = max(len(given), len(wanted))
    return 1 - edit_distance(given, wanted) / longest, ", ".join("?" if n is None else str(n) for n in given) or None


def _order(response: str) -> Numbers:
    """Return the numbers that a response lists: after `answer:`, boxed, in the last line, or loosely."""
    lowered = response.lower()
    for found in (_after_answer(lowered), _boxed_numbers(response), _last_line(lowered)):
        if found and any(number is not None for number in found):
            return found
    return _loose(lowered)


def _after_answer(lowered: str) -> Numbers:
    lines = lowered.strip().split("\n")
    index = next((n for n in range(len(lines) - 1, -1, -1) if "answer:" in lines[n]), None)
    if index is None:
        return []
    text = _undotted(lines[index].split("answer:")[1])
    if not text and index < len(lines) - 1:
        text = _undotted(lines[index + 1])
    return [_marked_number(part) for part in text.split(",")]


def _undotted(text: str) -> str:
    return text.replace("answer:", "").replace("**", "").replace(".", "").strip()


def _marked_number(part: str) -> int | None:
    word = part.strip().split(" ")[-1]
    for mark in _MARKS:
        word = word.replace(mark, "")
    return _integer(word)


def _integer(text: str) -> int | None:
    try:
        return int(text.strip())
    except ValueError:
        return None


def _boxed_numbers(response: str) -> Numbers:
    if "\\boxed" not in response:
        return []
    text = last_boxed(response)
    plain = (response if text is None else text).replace("\\text{", "").replace("}", "").replace("\\", "")
    return [_integer(part) for part in plain.strip().split(",")]


def _last_line(lowered: str) -> Numbers:
    parts = lowered.strip().rpartition("\n")[2].strip().split(",")
    return [_integer(match[0]) for part in parts if (match := _DIGITS.search(part)) is not None]


def _loose(lowered: str) -> Numbers:
    """Return the numbers after the last `answer:`, up to the first part that holds anything else."""
    found: Numbers = []
    for index, part in enumerate(lowered.rpartition("answer:")[2].split(",")):
        match = _DIGITS.search(part.strip())
        if match is not None:
            found.append(_integer(match[0]))
        if index > 0 and (match is None or match[0] != part.strip()):
            break
    return found


def amps_hard(response: str, gold: str) -> tuple[float, str | None]:
    """Score an expression: the boxed one, or the last between dollar signs, or the end of the response."""
    text = response
    for neutral in _NEUTRAL:
        text = text.replace(neutral, "")
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cdot", "*")
    wanted = gold.replace("\\left", "").replace("\\right", "").replace(" ^", "^").replace("\\ ", "*")
    found = last_boxed(text)
    found = _last_formula(text) if found is None else found
    if found is None:
        end = text.removesuffix(".")[-len(wanted) :]
        return (1.0, end) if end == wanted else (0.0, None)
    answer = normalised(found)
    return float(is_equivalent(wanted, answer)), answer


def _last_formula(text: str) -> str | None:
    """Return what stands between the last two dollar signs, right of its last equals sign."""
    close = text.rfind("$")
    if text.count("$") < 2:
        return None
    close = close - 1 if text[close - 1] == "$" else close
    formula = text[text.rfind("$", 0, max(close, 0)) + 1 : max(close, 0)]
    if "=" in formula:
        return formula.rpartition("=")[2].strip()
    return formula.rpartition("\\quad \\text{or} \\quad")[2].strip()


def normalised(answer: str) -> str:
    r"""Return a final answer in plain LaTeX: right of its equals sign, with the braces that `\frac12` lacks."""
    text = answer[:MAX_EXPRESSION_CHARS].rpartition("=")[2]
    text = re.sub(r"(.*?)(\$)(.*?)(\$)(.*)", r"$\3$", text)
    for command in ("text", "textbf", "overline"):
        text = re.sub(rf"\\{command}\{{(.*?)\}}", r"\1", text)
    text = re.sub(r"\\boxed\{(.*)\}", r"\1", text)
    text = re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", text)
    text = re.sub(r"(sqrt)([^{\[])", r"sqrt{\2}", text).replace("$", "")
    return text.replace(",", "") if text.replace(",", "").isdigit() else text


def is_equivalent(wanted: str, answer: str) -> bool:
    """Return whether one reading of each expression gives a difference of zero, or of less than 0.001."""
    return any(_is_zero(left, right) for left in _parsed(wanted) for right in _parsed(answer))


def _is_zero(left: Any, right: Any) -> bool:
    try:
        difference = simplified(left - right)
        return bool(difference == 0) or bool(abs(difference) < 0.001)
    except Exception:  # sympy raises nearly anything on what is no number
        return False


@lru_cache(maxsize=1_000)
def _parsed(latex: str) -> tuple[Any, ...]:
    """Return the readings of an expression; more than one where the grammar is ambiguous, none where it is none."""
    return next((tuple(readings) for readings in _readings(latex)), ())


def _readings(latex: str) -> Iterator[list[Any]]:
    for text in (latex, latex.replace("\\\\", "\\")):
        with suppress(NoFormula):
            yield lark_formulas(text)
    with suppress(NoFormula):
        yield [antlr_formula(latex)]
