r"""Reading the letter of a multiple-choice answer from a response.

What is tried, in this order: an `answer` member, the last boxed value, what follows the last `answer is`, the last bold
text, the only letter in round brackets in the last line, and a response that is the letter alone. A reading counts when
it is a letter of an option, alone or before its text, or the text of exactly one option. What does not live here: the
questions.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, cast

from codeio_assets.benchmarks.answers import MAX_SEARCHED, after_answer_is, answer_member, last_boxed
from codeio_assets.benchmarks.contract import NO_ANSWER, NO_GOLD, Question, Verdict, judged

PROMPT: Final = (
    "{question}\n\n{options}\n\nThink step by step, then end with one line of the form `The answer is (X).`, where X is"
    " the letter of the right option."
)
_LETTER: Final = re.compile(r"[\s*_`$({\[]*+(?:\\text(?:bf)?\{)?\(?([A-Z])\s*+(?:$|[).:,;*_`$}\]\n])")
_BOLD: Final = re.compile(r"\*\*([^*\n]{1,200}+)\*\*")
_IN_BRACKETS: Final = re.compile(r"\(([A-Z])\)")
_MAX_BARE: Final = 200


def prompt(question: str, options: Sequence[str]) -> str:
    """Return what a model is asked: the question, its options by letter, the form of the answer."""
    return PROMPT.format(question=question, options="\n".join(f"({_letter(n)}) {o}" for n, o in enumerate(options)))


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def score(response: str, question: Question) -> Verdict:
    """Judge by the letter; the question's facts hold its `options`, its gold answer is a letter."""
    if not isinstance(question.gold, str):
        return NO_GOLD
    options = cast("list[str]", question.facts.get("options") or [])
    letter = chosen(response, options)
    return NO_ANSWER if letter is None else judged(letter == question.gold, letter)


def chosen(response: str, options: Sequence[str]) -> str | None:
    """Return the letter that a response settles on, or None."""
    return next((letter for text in _readings(response) if (letter := _read(text, options)) is not None), None)


def _readings(response: str) -> Iterator[str]:
    text = response[-MAX_SEARCHED:]
    if "{" in text and (member := answer_member(text)) is not None:
        yield str(member)
    for found in (last_boxed(text), after_answer_is(text)):
        if found:
            yield found
    bold = _BOLD.findall(text)
    if bold:
        yield bold[-1]
    bracketed = set(_IN_BRACKETS.findall(text.rstrip().rpartition("\n")[2]))
    if len(bracketed) == 1:
        yield bracketed.pop()
    if len(text) <= _MAX_BARE:
        yield text.strip()


def _read(text: str, options: Sequence[str]) -> str | None:
    """Return the option that a text names by its letter, or by its own text."""
    plain = text.strip(" \t*_`$.\n").casefold()
    named = [_letter(n) for n, option in enumerate(options) if option.strip(" .").casefold() == plain]
    if len(named) == 1:
        return named[0]
    match = _LETTER.match(text)
    return match[1] if match and ord(match[1]) - ord("A") < len(options) else None
