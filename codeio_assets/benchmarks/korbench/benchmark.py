"""KOR-Bench: 1,250 items over 125 rules made for it, 250 each in five categories; the score is the mean of all.

What does not live here: when an answer is right (`rules`).

Source: KOR-Bench/KOR-Bench (Apache-2.0); the zero-shot prompt is ours, with the rule and the question as given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    Benchmark,
    Figure,
    Question,
    Row,
    Scored,
    Verdict,
    by_group,
    judged,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find, find_folder, json_lines, text_of
from codeio_assets.benchmarks.korbench.rules import (
    SYMBOLIC_ITEMS,
    bracketed,
    double_bracketed,
    is_right,
    is_same_formula,
)

CATEGORIES: Final = ("cipher", "counterfactual", "logic", "operation", "puzzle")
PROMPT: Final = (
    "Solve the question by the rule that is given, also where it differs from what you know. Think step by step, and"
    " end with the answer in double square brackets, in the form that the question asks for.\n\n"
    "### Rule\n{rule}\n\n### Question\n{question}"
)


def load(folder: Path) -> Iterator[Question]:
    """Yield the items of all categories; an id is `category/idx`."""
    place = find_folder(folder, "*_sample.jsonl", "korbench")
    for category in CATEGORIES:
        rules_path, path = find(place, f"{category}_rule.jsonl"), find(place, f"{category}_sample.jsonl")
        rules = {str(rule["idx"]): text_of(rule, "rule_content", str(rules_path)) for rule in json_lines(rules_path)}
        for record in json_lines(path):
            yield _question(category, record, rules, str(path))


def _question(category: str, record: dict[str, object], rules: dict[str, str], path: str) -> Question:
    idx, rule_id = text_of(record, "idx", path), text_of(record, "rule_id", path)
    text = text_of(record, "question", path)
    return Question(
        id=f"{category}/{idx}",
        text=text,
        prompt=PROMPT.format(rule=rules.get(rule_id, ""), question=text),
        gold=text_of(record, "answer", path),
        group=category,
        facts={"rule_id": rule_id, "idx": idx, "real_life": record.get("real_life_answer")},
    )


def score(response: str, question: Question) -> Verdict:
    """Judge by the rules of the item's category; counterfactual items also tell whether the real-life answer came."""
    if not isinstance(question.gold, str):
        return NO_GOLD
    category, facts = question.group, question.facts
    answer = double_bracketed(response) if category == "puzzle" else bracketed(response)
    if answer is None:
        return NO_ANSWER
    rule_id, idx = str(facts.get("rule_id", "")), str(facts.get("idx", ""))
    right = is_right(response, question.gold, category, rule_id, idx)
    if category == "operation" and idx.isdecimal() and int(idx) in SYMBOLIC_ITEMS:
        return judged(right, answer, is_same_formula=is_same_formula(response, question.gold))
    if category != "counterfactual":
        return judged(right, answer)
    real_life = facts.get("real_life")
    is_real_life = isinstance(real_life, str) and is_right(response, real_life, category, rule_id, idx)
    return judged(right, answer, is_real_life=is_real_life)


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the mean over all items, with the categories' means and how often the real-life answer was given."""
    groups = by_group(scored)
    parts = {name: percent(scores_of(each)) for name, each in groups.items()}
    if "counterfactual" in groups:
        told = [each.verdict.details.get("is_real_life", False) for each in groups["counterfactual"]]
        parts["counterfactual_real_life"] = percent(float(bool(each)) for each in told)
    formulas = [float(bool(each.verdict.details.get("is_same_formula", each.verdict.score))) for each in scored]
    return Figure(percent(scores_of(scored)), {**parts, "with_formulas": percent(formulas)})


def own_question(row: Row, known: Question | None) -> Question | None:
    """Return the known item with the line's own answer: six answers were changed after the published results."""
    gold = row.get("answer")
    return replace(known, gold=gold) if known is not None and isinstance(gold, str) else known


def question_id(row: Row) -> str:
    """Return `category/idx`."""
    return f"{row.get('category', '')}/{row.get('idx', '')}"


BENCHMARK: Final = Benchmark(
    name="korbench",
    title="KorBench",
    id_fields=("category", "idx"),
    question_id=question_id,
    load=load,
    score=score,
    files=tuple(f"{place}*_{kind}.jsonl" for place in ("korbench/", "") for kind in ("sample", "rule")),
    own_question=own_question,
    figure=figure,
)
