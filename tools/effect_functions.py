"""Simple functions in many variants, for `tools/effect.py`: families, names, constants, and what a transform returns.

What lives here: own code, written from templates, so that a function with its names and constants is one of thousands,
and values stay so small that a trace is short. What does not: the project, training, counting (`effect`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

TOTALS = ("total", "result", "score", "amount", "balance", "weight", "points", "answer")
COUNTS = ("count", "found", "hits", "number", "matches", "seen", "n", "tally")
ITEMS = ("x", "value", "item", "v", "num", "entry", "k", "size")
LISTS = ("values", "numbers", "items", "data", "sizes", "marks", "ages", "readings", "prices", "heights")
TEXTS = ("text", "word", "name", "line", "label", "code", "s", "token")
LETTERS = ("ch", "c", "letter", "char", "symbol")
LETTER_SETS = ("aeiou", "abc", "xyz", "lmn", "rst", "eo", "ai", "st")
BESTS = ("best", "top", "chosen", "record", "extreme", "limit", "peak", "kept")
KEPT = ("kept", "out", "chosen", "picked", "rest", "passed")
GRADES = (
    ("low", "middle", "high"),
    ("cold", "mild", "hot"),
    ("small", "medium", "large"),
    ("slow", "normal", "fast"),
    ("child", "teen", "adult"),
    ("red", "yellow", "green"),
)
INTEGERS = "[random.randint({low}, {high}) for _ in range(random.randint(2, 5))]"
WORD = "''.join(random.choice('{letters}') for _ in range(random.randint(2, 5)))"


@dataclass(frozen=True, slots=True)
class Variant:
    """One function: `main_solution` takes the one argument `argument`, which the expression `draw` draws."""

    family: str
    number: int
    code: str
    argument: str
    draw: str
    question: str

    @property
    def path(self) -> str:
        """The file's path; its folder names the family."""
        return f"{self.family}/{self.family}_{self.number:05d}.py"

    @property
    def file(self) -> str:
        """The raw file: the function under a name of its own, and a line that prints."""
        return (
            f"import random\n\n{self.code.replace('main_solution', self.family)}\nprint({self.family}({self.draw}))\n"
        )

    @property
    def transformed(self) -> str:
        """The four sections that a model would answer."""
        return (
            f"## Main Function\n```python\n{self.code}```\n\n"
            f"## Input Output Description\n- `{self.argument}`: what is looked at\n- `return`: what is found\n\n"
            f"## Input Generator\n```python\nimport random\n\ndef input_generator():\n"
            f'    return {{"{self.argument}": {self.draw}}}\n```\n\n'
            f"## Problem Statement\n{self.question}\n"
        )


Written = tuple[str, str, str, str]
"""Code, argument, the expression that draws it, question."""


def variants(per_family: int, seed: int = 0) -> list[Variant]:
    """Return so many functions of each family, or all that there are, no two with the same code.

    The same for the same seed; those of a smaller number come first among those of a larger one.
    """
    made: list[Variant] = []
    for family, write in FAMILIES.items():
        rng, codes = random.Random(f"{seed}:{family}"), set[str]()
        for _ in range(50 * per_family):
            if len(codes) == per_family:
                break
            written = write(rng)
            if written[0] not in codes:
                codes.add(written[0])
                made.append(Variant(family, len(codes), *written))
    return sorted(made, key=lambda one: one.number)


def _condition(rng: random.Random, name: str) -> str:
    bound = rng.randint(3, 12)
    return rng.choice(
        (f"{name} > {bound}", f"{name} < {bound}", f"{name} >= {bound}", f"{name} <= {bound}", f"{name} % 2 == 0",
         f"{name} % 2 == 1", f"{name} % 3 == 0", f"{name} != {bound}")
    )  # fmt: skip


def _integers(rng: random.Random) -> str:
    return INTEGERS.format(low=rng.randint(0, 3), high=rng.randint(9, 15))


def _word(rng: random.Random, letters: str) -> str:
    others = "".join(rng.sample("abcdefghiklmnoprstuwxyz", 4))
    return WORD.format(letters=letters + others)


def _count_items(rng: random.Random) -> Written:
    many, item, count = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(COUNTS)
    condition = _condition(rng, item)
    code = (
        f"def main_solution({many}):\n    {count} = 0\n    for {item} in {many}:\n        if {condition}:\n"
        f"            {count} += 1\n    return {count}\n"
    )
    return code, many, _integers(rng), f"How many of `{many}` are there with {condition}?"


def _sum_items(rng: random.Random) -> Written:
    many, item, total = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(TOTALS)
    start = rng.choice((0, 0, 0, 1, 2, 5, 10))
    step = rng.choice((f"{total} += {item}", f"{total} = {total} + {item}", f"{total} += {item} + {rng.randint(1, 3)}"))
    code = (
        f"def main_solution({many}):\n    {total} = {start}\n    for {item} in {many}:\n        {step}\n"
        f"    return {total}\n"
    )
    return code, many, INTEGERS.format(low=1, high=rng.randint(5, 9)), f"What is the sum over `{many}`, from {start}?"


def _sum_some(rng: random.Random) -> Written:
    many, item, total = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(TOTALS)
    condition = _condition(rng, item)
    code = (
        f"def main_solution({many}):\n    {total} = 0\n    for {item} in {many}:\n        if {condition}:\n"
        f"            {total} += {item}\n    return {total}\n"
    )
    return code, many, _integers(rng), f"What is the sum of those of `{many}` with {condition}?"


def _extreme_item(rng: random.Random) -> Written:
    many, item, best = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(BESTS)
    sign, word = rng.choice(((">", "largest"), ("<", "smallest")))
    code = (
        f"def main_solution({many}):\n    {best} = {many}[0]\n    for {item} in {many}:\n"
        f"        if {item} {sign} {best}:\n            {best} = {item}\n    return {best}\n"
    )
    return code, many, INTEGERS.format(low=0, high=rng.randint(9, 30)), f"What is the {word} of `{many}`?"


def _filter_items(rng: random.Random) -> Written:
    many, item, kept = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(KEPT)
    condition = _condition(rng, item)
    code = (
        f"def main_solution({many}):\n    {kept} = []\n    for {item} in {many}:\n        if {condition}:\n"
        f"            {kept}.append({item})\n    return {kept}\n"
    )
    return code, many, _integers(rng), f"Which of `{many}` are there with {condition}?"


def _map_items(rng: random.Random) -> Written:
    many, item, out = rng.choice(LISTS), rng.choice(ITEMS), rng.choice(KEPT)
    change = rng.choice((f"{item} + {rng.randint(1, 9)}", f"{item} * {rng.randint(2, 3)}", f"{item} - 1"))
    code = (
        f"def main_solution({many}):\n    {out} = []\n    for {item} in {many}:\n        {out}.append({change})\n"
        f"    return {out}\n"
    )
    return code, many, INTEGERS.format(low=1, high=9), f"What becomes of `{many}` when each is changed to {change}?"


def _count_letters(rng: random.Random) -> Written:
    text, letter, count, among = rng.choice(TEXTS), rng.choice(LETTERS), rng.choice(COUNTS), rng.choice(LETTER_SETS)
    test = rng.choice((f'{letter} in "{among}"', f'{letter} == "{among[0]}"', f'{letter} not in "{among}"'))
    code = (
        f"def main_solution({text}):\n    {count} = 0\n    for {letter} in {text}:\n        if {test}:\n"
        f"            {count} += 1\n    return {count}\n"
    )
    return code, text, _word(rng, among), f"How many letters of `{text}` are there with {test}?"


def _filter_letters(rng: random.Random) -> Written:
    text, letter, out, among = rng.choice(TEXTS), rng.choice(LETTERS), rng.choice(KEPT), rng.choice(LETTER_SETS)
    test = rng.choice((f'{letter} in "{among}"', f'{letter} != "{among[-1]}"', f'{letter} not in "{among}"'))
    code = (
        f'def main_solution({text}):\n    {out} = ""\n    for {letter} in {text}:\n        if {test}:\n'
        f"            {out} += {letter}\n    return {out}\n"
    )
    return code, text, _word(rng, among), f"Which letters of `{text}` are there with {test}?"


def _steps_down(rng: random.Random) -> Written:
    number, count, by = (
        rng.choice(("n", "left", "stock", "fuel", "money", "rest")),
        rng.choice(COUNTS[:-2]),
        rng.randint(2, 6),
    )
    bound = rng.randint(1, by)
    code = (
        f"def main_solution({number}):\n    {count} = 0\n    while {number} >= {bound}:\n        {number} -= {by}\n"
        f"        {count} += 1\n    return {count}\n"
    )
    return (
        code,
        number,
        f"random.randint({by}, {4 * by})",
        f"How often can {by} be taken from `{number}` above {bound}?",
    )


def _compare(rng: random.Random) -> Written:
    number = rng.choice(("age", "level", "speed", "height", "grade", "x", "amount"))
    low = rng.randint(2, 9)
    high = low + rng.randint(3, 9)
    words = rng.choice(GRADES)
    sign = rng.choice(("<", "<="))
    code = (
        f'def main_solution({number}):\n    if {number} {sign} {low}:\n        return "{words[0]}"\n'
        f'    if {number} {sign} {high}:\n        return "{words[1]}"\n    return "{words[2]}"\n'
    )
    return code, number, f"random.randint(0, {high + 5})", f"Which word belongs to `{number}`?"


FAMILIES: dict[str, Callable[[random.Random], Written]] = {
    "count_items": _count_items,
    "sum_items": _sum_items,
    "sum_some": _sum_some,
    "extreme_item": _extreme_item,
    "filter_items": _filter_items,
    "map_items": _map_items,
    "count_letters": _count_letters,
    "filter_letters": _filter_letters,
    "steps_down": _steps_down,
    "compare": _compare,
}
"""Family -> writes a variant."""
