"""LiveBench's reasoning: shapes (spatial), liars (web_of_lies_v2) and people in a line (zebra_puzzle).

Each scorer returns (score, what was found).

Source: LiveBench/LiveBench (Apache-2.0), process_results/reasoning.
"""

import itertools
import re
from typing import Final

from codeio_assets.benchmarks.livebench.maths import last_boxed

_SOLUTION: Final = re.compile(r"</?solution>(.*?)</solution>")
_BOLD: Final = re.compile(r"\*\*([^*]+)\*\*")
_BOLD_LINE: Final = re.compile(r"\*\*(.*?)\*\*")
_TRIPLE_BOLD: Final = re.compile(r"\*\*\*(\w+)\*\*\*")
_WORD: Final = re.compile(r"\b\w+\b")
_NUMBER_WORDS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_SHAPES: Final = ("tetrahedra", "tetrahedron", "triangle", "square")
_TRUTHS: Final = ("yes", "no", "unknown")


def spatial(response: str, gold: str) -> tuple[float, str | None]:
    """Score by the last three bold texts: the answer, its number as a word, or a shape with little around it."""
    wanted = gold.strip().lower()
    bold = [text.strip().lower() for text in _BOLD.findall(response)[-3:]]
    for text in reversed(bold):
        spelled = str(_NUMBER_WORDS.index(text)) if text in _NUMBER_WORDS else text
        is_shape = wanted in _SHAPES and wanted in text and len(text) < 2 * len(wanted) + 5
        if wanted in (text, spelled) or is_shape:
            return 1.0, text
    return 0.0, bold[-1] if bold else None


def solutions(response: str) -> list[str]:
    """Return what stands in solution tags; a slash too many in the first tag is forgiven where no tag is right."""
    tagged = re.findall(r"<solution>(.*?)</solution>", response)
    return tagged or _SOLUTION.findall(response)


def web_of_lies(response: str, gold: str) -> tuple[float, str | None]:
    """Score three of yes, no and unknown, in a tag, in bold, boxed, or as the last such list in the text."""
    tagged = solutions(response)
    answer = tagged[-1] if tagged else _bold_truths(response)
    if answer is None or answer.strip() == "":
        answer = last_boxed(response.replace("\\textbf{", "\\boxed{")) or answer
    if answer is None:
        answer = _last_list(response.lower())
    if not answer:
        return 0.0, None
    wanted = gold.lower()
    has_three = sum(answer.count(word) for word in _TRUTHS) == 3
    return float(answer == wanted or (has_three and wanted in answer)), answer


def _bold_truths(response: str) -> str | None:
    words = [
        word.lower().strip().replace(",", "").replace(".", "")
        for text in _BOLD_LINE.findall(response)
        for word in text.split()
    ]
    told = [word for word in words if word in _TRUTHS][-3:]
    return ", ".join(told) or None


def _last_list(lowered: str) -> str | None:
    """Return the list of three whose first place in the text is last."""
    lists = [", ".join(three) for three in itertools.product(_TRUTHS, repeat=3)]
    place, found = max((lowered.find(each), each) for each in lists)
    return found if place >= 0 else None


def zebra_of_june(response: str, gold: str) -> tuple[float, str | None]:
    """Score one answer: the last word in triple asterisks, or else the last word; digits stand for their words."""
    words = _TRIPLE_BOLD.findall(response) or _WORD.findall(response)
    if not words:
        return 0.0, None
    word = words[-1].lower()
    spelled = _NUMBER_WORDS[int(word)] if re.fullmatch("[1-9]", word) else word
    return float(gold.lower() in (word, spelled, f"{word} movies")), word


def zebra(response: str, gold: str) -> tuple[float, str | None]:
    """Score several answers: half for their share, half for all of them."""
    wanted = gold.split(",")
    texts = solutions(response)
    if not texts and (boxed := last_boxed(response)):
        texts = [boxed.replace("\\text{", "").replace("}", "").replace("\\", "")]
    last_line = response.strip().rpartition("\n")[2]
    if not texts and last_line.count(",") == len(wanted) - 1:
        texts = [last_line]
    if not texts:
        return 0.0, None
    given = [part for text in texts for part in text.split(",")]
    given = given[-len(wanted) :] if len(texts) > 1 else given
    n_right = sum(
        _plain(right) in _plain(answer).replace("position", "") for right, answer in zip(wanted, given, strict=False)
    )
    return ((n_right == len(wanted)) + n_right / len(wanted)) / 2, ",".join(given)


def _plain(text: str) -> str:
    return text.strip().lower().replace("-", " ")
