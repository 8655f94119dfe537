"""Each scorer gives the published verdicts on real responses; each difference stands here, with a reason."""

import json
import os
from collections.abc import Iterator

import pytest

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Figure, Scored, Verdict
from codeio_assets.evaluation.scoring import Response, Scorer
from codeio_assets.sandbox import open_sandbox
from codeio_assets_tests.benchmarks.published import DATA, SCORED, needs_published, rows

pytestmark = needs_published
ALL = bool(os.environ.get("CODEIO_ALL_SCORED"))
"""All answers of CRUXEval and MATH, and not only those of 60 and 121 questions (`make test-scorers`)."""


def score(name: str, given: list[dict]) -> tuple[list[Verdict], Figure]:
    benchmark = BENCHMARKS[name]
    known = {question.id: question for question in benchmark.load(DATA)} if needs_data(name) else {}
    questions = [benchmark.own_question(row, known.get(benchmark.question_id(row))) for row in given]
    scorer = Scorer(open_sandbox, workers=2)
    responses = [
        Response(name, row.get("response", ""), question, tuple(row["prediction"]) if "prediction" in row else None)
        for row, question in zip(given, questions, strict=True)
    ]
    try:
        verdicts = list(scorer.score(responses))
    finally:
        scorer.close()
    groups = [question.group if question else "" for question in questions]
    scored = [Scored(group, verdict) for group, verdict in zip(groups, verdicts, strict=True)]
    return verdicts, benchmark.figure(scored)


def needs_data(name: str) -> bool:
    return BENCHMARKS[name].needs_data or name.startswith("cruxeval")


def differing(given: list[dict], verdicts: list[Verdict]) -> list[int]:
    return [n for n, (row, v) in enumerate(zip(given, verdicts, strict=True)) if row["their_verdict"] != v.status]


@pytest.mark.parametrize(
    ("model", "published"),
    [("deepseek-v2.5-0908", "92.49"), ("gemma-2-9b-it", "87.41"), ("Meta-Llama-3.1-8B-Instruct", "84.00")],
)
def test_gsm8k(model: str, published: str) -> None:
    given = rows(f"zeroeval_gsm_{model}.jsonl")
    verdicts, figure = score("gsm8k", given)
    assert differing(given, verdicts) == []
    assert f"{figure.value:.2f}" == published


@pytest.mark.parametrize(
    ("model", "apart"),
    # The published scorer takes the first number of an answer: `2, -1` for 2, `\sqrt{3}` for 3, `-1 + i` for -1.
    [("Qwen2.5-7B-Instruct", [698]), ("deepseek-v2.5-0908", [616, 688, 698]), ("gemma-2-9b-it", [132, 184])],
)
def test_math(model: str, apart: list[int]) -> None:
    first = 0 if ALL else 600  # the differences are among the last
    given = rows(f"zeroeval_math-l5_{model}.jsonl")[first:]
    verdicts, _ = score("math", given)
    assert [first + number for number in differing(given, verdicts)] == [n for n in apart if n >= first]


@pytest.mark.parametrize(
    ("model", "texts", "literals"),
    # The published scorer compares texts: `[1,2]` is not `[1, 2]`, nor `8.50` 8.5, nor `{u'a': 1}` `{'a': 1}`.
    [("deepseek-v2.5-0908", 560, 5), ("Qwen2.5-7B-Instruct", 422, 7), ("Meta-Llama-3.1-8B-Instruct", 319, 9)],
)
def test_cruxeval_output_answer_objects(model: str, texts: int, literals: int) -> None:
    given = rows(f"zeroeval_crux_{model}.jsonl")
    verdicts, _ = score("cruxeval_output", given)
    apart = differing(given, verdicts)
    assert sum(row["their_verdict"] == "correct" for row in given) == texts
    assert [(given[n]["their_verdict"], verdicts[n].status) for n in apart] == [("wrong", "correct")] * literals
    assert not any(verdicts[n].details["is_same_text"] for n in apart)


def official_samples(direction: str) -> Iterator[tuple[dict, bool]]:
    content = json.loads((SCORED / f"cruxeval_official_codellama-7b_temp0.2_{direction}.json").read_text())
    names = sorted(content["raw_generations"], key=lambda name: int(name.removeprefix("sample_")))
    for name in names if ALL else names[:60]:
        for text, verdict in zip(
            content["raw_generations"][name], content["raw_scored_generations"][name], strict=True
        ):
            yield {"id": name, "response": text}, verdict


@pytest.mark.parametrize(("direction", "published"), [("input", "35.95"), ("output", "34.21")])
def test_cruxeval_official(direction: str, published: str) -> None:
    samples = list(official_samples(direction))
    verdicts, figure = score(f"cruxeval_{direction}", [row for row, _ in samples])
    assert [v.status == "correct" for v in verdicts] == [verdict for _, verdict in samples]
    if ALL:
        assert f"{figure.value:.2f}" == published


def test_bbh() -> None:
    published = json.loads((SCORED / "bbh_published.json").read_text())
    _, figure = score("bbh_en", rows("bbh_code-davinci-002-cot_3shot.jsonl.gz"))
    assert {task: round(value, 9) for task, value in figure.parts.items()} == {
        task: round(value, 9) for task, value in published.items()
    }


@pytest.mark.parametrize(
    ("file", "puzzles", "cells", "without"),
    [
        ("zebralogic_Meta-Llama-3.1-405B-Instruct@hyperbolic_16.jsonl", "25.00", "46.62", "6.25"),
        ("zebralogic_Llama-3.1-405B-Inst@sambanova_224.jsonl", "28.57", "39.41", "24.55"),
    ],
)
def test_zebralogic(file: str, puzzles: str, cells: str, without: str) -> None:
    verdicts, figure = score("zebralogic", rows(file))
    no_answer = 100 * sum(v.status == "no_answer" for v in verdicts) / len(verdicts)
    assert (f"{figure.value:.2f}", f"{figure.parts['cells']:.2f}", f"{no_answer:.2f}") == (puzzles, cells, without)


def test_drop() -> None:
    given = rows("drop_official_scorer_vectors.jsonl")
    verdicts, _ = score("drop", given)
    assert [(v.details["em"], v.score) for v in verdicts] == [(row["em"], row["f1"]) for row in given]


@pytest.mark.parametrize(
    ("model", "published", "leaderboard"),
    [("DeepSeek-V2.5", "44.96", "47.76"), ("Qwen2.5-7B-Instruct", "36.72", "38.56")],
)
def test_korbench(model: str, published: str, leaderboard: str) -> None:
    """The published results compare formulas as texts, the leaderboard as formulas: both figures come out."""
    given = rows(f"korbench_{model}.jsonl")
    verdicts, figure = score("korbench", given)
    theirs = [row["their_verdict"] == "correct" for row in given]
    assert [v.status == "correct" for v in verdicts] == theirs
    assert (f"{figure.value:.2f}", f"{figure.parts['with_formulas']:.2f}") == (published, leaderboard)


def test_livebench() -> None:
    given = rows("livebench_zft-community-8b-bs4.jsonl")
    verdicts, _ = score("livebench", given)
    known = [(row, v) for row, v in zip(given, verdicts, strict=True) if v.score is not None]
    assert len(known) == 266  # the rest are of three tasks whose answers are not in the data
    assert [v.score for _, v in known] == [pytest.approx(row["their_score"]) for row, _ in known]
