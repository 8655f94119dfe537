"""LeetCode-O: what does a problem's function return for one input? Asked from the statement alone, in two languages.

The paper's set is not public. A set of the same form is built here from contest problems in English and Chinese: the
pairs are those that the statements' own examples give, the same in both languages. Statements are cut before their
examples, so that no answer is shown.

A problem counts when every pair of it is right in both languages; pairs, languages and difficulties are beside it.

Source: the form is that of CodeI/O, sec. 3.1 and table 6; problems from deepseek-ai/DeepSeek-Coder (MIT).
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    Benchmark,
    Figure,
    Question,
    Scored,
    Verdict,
    by_group,
    field_id,
    judged,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find, json_lines, text_of
from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.values.canonical import Json, canonical_json
from codeio_assets.core.values.comparison import equal_values

Language = str
FILES: Final[dict[Language, str]] = {"en": "leetcode_contest_en.jsonl", "zh": "leetcode_contest_zh.jsonl"}
PROMPTS: Final[dict[Language, str]] = {
    "en": (
        "{statement}\n\nWhat is the result for this input?\n\n{input}\n\nThink step by step without writing or running"
        ' code, and end with one JSON object of the form {{"output": <the result>}}.'
    ),
    "zh": (
        "{statement}\n\n对于以下输入，结果是什么？\n\n{input}\n\n"
        "请一步一步地思考，不要编写或运行代码，最后用一个 JSON 对象给出答案，"
        '形式为 {{"output": <结果>}}。'
    ),
}
_EXAMPLE: Final = re.compile(r"^\s*(?:Example|示例)\s*1\s*[:：]", re.MULTILINE)
_CODE: Final = re.compile(r"^\s*(?:Please complete the code|请完成下面的代码)", re.MULTILINE)
_PAIR: Final = re.compile(
    r"^\s*(?:Input|输入)\s*[:：](?P<input>.*?)^\s*(?:Output|输出)\s*[:：](?P<output>.*?)"
    r"(?=^\s*(?:Explanation|解释|Example|示例|Constraints|提示|Note|注意|Input|输入)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_NAME: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*")
_WORDS: Final = {"true": "True", "false": "False", "null": "None"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with its statement per language, and its pairs of input and output."""

    slug: str
    difficulty: str
    statements: dict[Language, str]
    pairs: tuple[tuple[Json, Json], ...]


def load(folder: Path) -> Iterator[Question]:
    """Yield every pair of every problem in both languages."""
    return questions(build(*(json_lines(find(folder, name, f"leetcode_o/{name}")) for name in FILES.values())))


def build(english: Iterable[dict[str, Json]], chinese: Iterable[dict[str, Json]]) -> Iterator[Problem]:
    """Yield the problems that both languages have, with the English statement's pairs.

    A problem is left out where the statements give no pair in common, or not as many.
    """
    translated = {text_of(record, "task_id", "zh"): record for record in chinese}
    for record in english:
        slug = text_of(record, "task_id", "en")
        if slug not in translated:
            continue
        texts = {"en": text_of(record, "prompt_sft", slug), "zh": text_of(translated[slug], "prompt_sft", slug)}
        pairs, other = pairs_of(texts["en"]), pairs_of(texts["zh"])
        common = {canonical_json(pair) for pair in pairs} & {canonical_json(pair) for pair in other}
        if common and len(pairs) == len(other):  # one translation of 180 has an example of its own
            difficulty = str(cast("dict[str, Json]", record.get("meta") or {}).get("difficulty", ""))
            yield Problem(slug, difficulty, {name: statement_of(text) for name, text in texts.items()}, tuple(pairs))


def statement_of(text: str) -> str:
    """Return what stands before a statement's first example, or before the code to complete."""
    ends = [match.start() for pattern in (_EXAMPLE, _CODE) if (match := pattern.search(text))]
    return text[: min(ends, default=len(text))].strip()


def pairs_of(text: str) -> list[tuple[Json, Json]]:
    """Return the (input by name, output) pairs of a statement's examples that are written as literals."""
    pairs: list[tuple[Json, Json]] = []
    for match in _PAIR.finditer(_CODE.split(text)[0]):
        try:
            pairs.append((_arguments(match["input"]), _literal(match["output"])))
        except (ValueError, SyntaxError, RecursionError):
            continue
    return pairs


def _arguments(text: str) -> dict[str, Json]:
    """Return `a = 1, b = [2]` as an object.

    Raises:
        ValueError: it is anything else.
    """
    found: dict[str, Json] = {}
    rest = text.strip()
    while rest:
        name = _NAME.match(rest)
        if name is None:
            raise ValueError("no name")
        end = _end_of_value(rest, name.end())
        found[name[1]] = _literal(rest[name.end() : end])
        rest = rest[end:].lstrip(",， \n")
    if not found:
        raise ValueError("no input")
    return found


def _end_of_value(text: str, start: int) -> int:
    """Return where a literal ends: at the comma outside of brackets and quotes that a name follows."""
    depth, quote = 0, ""
    for place in range(start, len(text)):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char in ",，" and depth == 0:
            return place
    return len(text)


def _literal(text: str) -> Json:
    stripped = text.strip()
    try:
        return json.loads(stripped)
    except ValueError:
        return ast.literal_eval(re.sub(r"\b(?:true|false|null)\b", lambda word: _WORDS[word[0]], stripped))


def questions(problems: Iterable[Problem]) -> Iterator[Question]:
    """Yield every pair of the problems in both languages."""
    for problem in problems:
        for language, statement in problem.statements.items():
            for number, (given, output) in enumerate(problem.pairs):
                shown = json.dumps(given, ensure_ascii=False)
                yield Question(
                    id=f"{problem.slug}/{language}/{number}",
                    text=statement,
                    prompt=PROMPTS[language].format(statement=statement, input=shown),
                    gold={"output": output},
                    group=problem.slug,
                    facts={"language": language, "difficulty": problem.difficulty},
                )


def score(response: str, question: Question) -> Verdict:
    """Judge the output that a response ends with."""
    if question.gold is None:
        return NO_GOLD
    details = {name: question.facts.get(name) for name in ("language", "difficulty")}
    answer = extract_answer(response, "output")
    if not answer.found:
        return Verdict(NO_ANSWER.status, 0.0, None, details)
    gold = cast("dict[str, Json]", question.gold)["output"]
    return judged(equal_values(gold, answer.value), canonical_json(answer.value), **details)


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the share of problems with every pair right; beside it pairs, and problems per language and difficulty."""
    parts = {"pairs": percent(scores_of(scored))}
    for name in ("language", "difficulty"):
        for value in dict.fromkeys(str(each.verdict.details.get(name)) for each in scored):
            parts[value.lower()] = _solved(each for each in scored if str(each.verdict.details.get(name)) == value)
    return Figure(_solved(scored), parts)


def _solved(scored: Iterable[Scored]) -> float:
    groups = by_group(scored).values()
    return percent(float(all(each.verdict.score == 1 for each in group)) for group in groups)


BENCHMARK: Final = Benchmark(
    name="leetcode_o",
    title="LeetCode-O",
    id_fields=("id",),
    question_id=field_id("id"),
    load=load,
    score=score,
    files=tuple(f"{place}{name}" for place in ("", "leetcode_o/") for name in FILES.values()),
    figure=figure,
    unit=lambda question: question.group,
)
