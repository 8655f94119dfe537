"""The steps of the benchmarks: questions, answers, scores, leaks and the table, on a few questions of our own."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import BadBenchmarkData
from codeio_assets.core.settings.benchmarks import BenchmarkSettings, BenchmarkSource, Leakage
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.tables.data import TABLES
from codeio_assets.evaluation.scoring import Scorer
from codeio_assets.running.benchmarking import answers_of, write_cards
from codeio_assets.sandbox import open_sandbox
from codeio_assets.steps.benchmark_leakage import find_leaks
from codeio_assets.steps.benchmark_questions import content_of, load_questions, names_of, place_of
from codeio_assets.steps.benchmark_scores import Answers, question_of, score_answers
from codeio_assets.steps.results import Scored, as_result, make_table, write_pages
from codeio_assets.training.contract import CARD_FILE, MANIFEST_FILE, MANIFEST_VERSION

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "benchmarks"
FOUR = ("gsm8k", "cruxeval_input", "bbh_en", "zebralogic")


@pytest.fixture(scope="module")
def questions() -> pl.DataFrame:
    return pl.concat([load_questions(name, SAMPLES).tables["benchmark_questions"] for name in FOUR])


def answers(questions: pl.DataFrame, recipe: str, known: set[str]) -> pl.DataFrame:
    """The base model knows nothing, stage 2 what is known."""
    right = {
        "cruxeval_input": {"sample_0": "f([2, 4, 6])", "sample_1": "f('anetpl', 6)", "sample_2": "f(['a', 'a', 'b'])"}
    }
    findings = []
    for model in ("base", "stage2"):
        for row in questions.to_dicts():
            gold = json.loads(row["gold_json"])
            said = right.get(row["benchmark"], {}).get(row["question_id"], f"the answer is {gold}.")
            text = said if model == "stage2" and row["benchmark"] in known else "I do not know what to say."
            findings.append(
                {"model": model, "kind": "answer", "item_id": row["item_id"], "text": text, "finish_reason": "stop",
                 "prompt_tokens": 5, "completion_tokens": 3}
            )  # fmt: skip
    findings.append({"model": "base", "kind": "loss", "item_id": "x", "loss_sum": 1.0, "tokens": 1})
    return answers_of(
        recipe, questions, dict.fromkeys(("base", "stage2"), (f"{recipe}-weights", "a" * 64)), findings
    ).tables["benchmark_answers"]


def training_set(path: Path, *texts: str) -> Path:
    prompt = json.dumps([{"role": "user", "content": "Do it."}])
    rows = [{"sample_id": f"s{n}", "prompt_json": prompt, "completion": text} for n, text in enumerate(texts)]
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_questions_fit_their_table_and_come_back_as_they_were(questions: pl.DataFrame) -> None:
    TABLES["benchmark_questions"].validate(questions)
    assert dict(questions.group_by("benchmark").len().iter_rows()) == {
        "gsm8k": 3, "cruxeval_input": 3, "bbh_en": 4, "zebralogic": 2,
    }  # fmt: skip
    [zebra] = questions.filter(question_id="sample-2x2-0").to_dicts()
    assert question_of(zebra).gold == {
        "House 1": {"Name": "Max", "Pet": "cat"},
        "House 2": {"Name": "Eva", "Pet": "fish"},
    }


def test_what_is_asked_is_what_is_there_or_named(tmp_path: Path) -> None:
    folder = {"folder": str(SAMPLES)}
    assert len(names_of(settings(**folder), tmp_path)) == 14
    assert names_of(settings(**folder, benchmarks=["math", "drop"]), tmp_path) == ("math", "drop")
    assert names_of(settings(folder=".", sources={"gpqa": {"dataset": "a/b"}}), tmp_path) == ["gpqa"]
    with pytest.raises(SettingsError, match="there is no benchmark 'gsm9k'; there are winogrande, drop"):
        names_of(settings(benchmarks=["gsm9k"]), tmp_path)


def test_data_that_is_not_there_or_not_whole_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadBenchmarkData, match=r"gsm8k_test\.jsonl"):
        load_questions("gsm8k", tmp_path)
    source = BenchmarkSource.model_validate({"path": ".", "questions": 1_319, "license": "MIT"})
    with pytest.raises(BadBenchmarkData, match=r"has 3 questions of gsm8k, not 1319"):
        load_questions("gsm8k", SAMPLES, source)
    whole = source.model_copy(update={"questions": 3})
    assert load_questions("gsm8k", SAMPLES, whole).info["license"] == "MIT"


def test_problems_that_the_training_sources_hold_are_left_out_whole() -> None:
    every = load_questions("leetcode_o", SAMPLES).tables["benchmark_questions"]
    [first, second] = every["question_group"].unique().sort()
    source = BenchmarkSource.model_validate({"path": ".", "leave_out": [first], "questions": len(every)})
    kept = load_questions("leetcode_o", SAMPLES, source)
    assert kept.tables["benchmark_questions"]["question_group"].unique().to_list() == [second]
    assert kept.info["left_out"] == len(every) - kept.items_out
    with pytest.raises(BadBenchmarkData, match=r"has no 'no-such' of leetcode_o, which benchmarks\.yaml leaves out"):
        load_questions("leetcode_o", SAMPLES, source.model_copy(update={"leave_out": ("no-such",)}))


def test_the_hash_is_of_what_a_benchmark_reads(tmp_path: Path) -> None:
    def content() -> str:
        return content_of(tmp_path, BENCHMARKS["gsm8k"].files)

    (tmp_path / "gsm8k_test.jsonl").write_text("1")
    before = content()
    (tmp_path / "gsm8k_test.jsonl").touch()
    (tmp_path / "math_test.jsonl").write_text("1")
    assert content() == before
    (tmp_path / "gsm8k_test.jsonl").write_text("2")
    assert content() != before
    for name, benchmark in BENCHMARKS.items():
        assert content_of(SAMPLES, benchmark.files) != content_of(tmp_path, ()), name


def test_a_dataset_gives_what_the_file_gives(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "gpqa", tmp_path / "gpqa_on_the_hub")  # as on the hub: a CSV file in a repository
    found = settings(sources={"gpqa": {"dataset": "gpqa_on_the_hub", "split": "train"}}, folder=".")
    place = place_of("gpqa", found, tmp_path, tmp_path / "kept")
    own = load_questions("gpqa", SAMPLES).tables["benchmark_questions"]
    assert load_questions("gpqa", place).tables["benchmark_questions"].equals(own)


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("gsm8k", {"dataset": "openai/gsm8k"}, "give `revision`, the commit of 'openai/gsm8k' on the hub"),
        ("bbh_en", {"dataset": "here"}, "bbh_en is made of several files of its authors: give `path`"),
        ("gsm8k", {"dataset": "here", "split": "none"}, "cannot be read: .* in benchmarks.yaml, and the network"),
    ],
)  # fmt: skip
def test_a_dataset_that_cannot_be_had_is_one_line(tmp_path: Path, name: str, source: dict, told: str) -> None:
    (tmp_path / "here").mkdir()
    shutil.copyfile(SAMPLES / "gsm8k_test.jsonl", tmp_path / "here" / "test.jsonl")
    with pytest.raises(SettingsError, match=told) as raised:
        place_of(name, settings(sources={name: source}), tmp_path, tmp_path / "kept")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("kept/*.jsonl"))


def settings(**fields: object) -> BenchmarkSettings:
    return BenchmarkSettings.model_validate(fields)


def test_from_answers_to_the_table(questions: pl.DataFrame, tmp_path: Path) -> None:
    leaked = questions.filter(benchmark="gsm8k").sort("question_id")["question"].to_list()[0]
    samples = training_set(tmp_path / "set.parquet", "nothing of it", f"Well: {leaked.upper()}")
    leaks = find_leaks("codeio", questions, samples, Leakage()).tables["benchmark_leakage"]
    TABLES["benchmark_leakage"].validate(leaks)
    assert leaks.filter("is_leaked")["question_id", "sample_id"].rows() == [("0", "s1")]

    scorer = Scorer(open_sandbox, workers=2)
    try:
        made = [
            score_answers(recipe, "a-model", Answers(questions, answers(questions, recipe, known), leaks), scorer)
            for recipe, known in (("codeio", {"gsm8k", "cruxeval_input"}), ("it_only", {"cruxeval_input"}))
        ]
    finally:
        scorer.close()
    scores = pl.concat([each.tables["benchmark_scores"] for each in made])
    verdicts = pl.concat([each.tables["benchmark_verdicts"] for each in made])
    TABLES["benchmark_scores"].validate(scores)
    TABLES["benchmark_verdicts"].validate(verdicts)
    values = {(row["recipe"], row["model"], row["benchmark"]): row for row in scores.to_dicts()}
    assert {key: row["value"] for key, row in values.items() if row["value"]} == {
        ("codeio", "stage2", "gsm8k"): 100.0,
        ("codeio", "stage2", "cruxeval_input"): 100.0,
        ("it_only", "stage2", "cruxeval_input"): 100.0,
    }
    assert values["codeio", "base", "gsm8k"]["no_answer_ratio"] == 1.0
    assert values["codeio", "stage2", "gsm8k"]["unleaked_value"] == 100.0

    table = make_table(
        Scored(scores, verdicts, leaks),
        {"codeio": "it_only", "other": None},
        reported={"codeio": {"Table 1": 57.2, "Table 2, full": 57.2}, "it_only": {"Table 4, IT alone": 54.8}},
    )
    result = as_result(table).tables["results"]
    TABLES["results"].validate(result)
    gained = result.filter(pl.col("gain").is_not_null()).sort("benchmark")
    assert gained["benchmark", "gain", "changed"].rows() == [
        ("bbh_en", 0.0, 0), ("cruxeval_input", 0.0, 0), ("gsm8k", 100.0, 3), ("zebralogic", 0.0, 0),
    ]  # fmt: skip
    assert dict(gained["benchmark", "unleaked_gain"].rows())["gsm8k"] == 100.0
    [gain] = [gain for gain in table.gains["codeio, stage2"] if gain.column == "gsm8k"]
    assert gain.unleaked is not None
    assert (gain.paired.n, gain.unleaked.n) == (3, 2), "the leaked question is left out"
    assert [group.title for group in table.groups] == ["Table 2, a-model", "Table 4, a-model"]
    assert result.filter("is_published").height == 21 * 14
    page = write_pages(table, tmp_path / "reports")
    assert "codeio, stage2" in page.read_text()
    assert "Table 2, a-model" in page.read_text()

    checkpoint = checkpoint_of(tmp_path / "checkpoints", "codeio-weights")
    other = checkpoint_of(tmp_path / "checkpoints", "retrained", recipe="it_only")
    for _ in range(2):
        assert write_cards(scores, table, tmp_path / "checkpoints") == 1
    assert checkpoint.read_text().count("## Benchmarks") == 1
    assert "| GSM8K | 3 | +100.0 |" in checkpoint.read_text()
    assert checkpoint.read_text().startswith("# A model")
    assert other.read_text() == "# A model\n"
    (checkpoint.parent / MANIFEST_FILE).write_text("{")
    assert write_cards(scores, table, tmp_path / "checkpoints") == 0, "a damaged one is for its own checks to tell"
    assert "Gains of codeio, stage2 over its baseline" in (tmp_path / "reports" / "results.md").read_text()


def checkpoint_of(folder: Path, weights: str, recipe: str = "codeio") -> Path:
    """A checkpoint as far as its card is concerned."""
    stage = folder / recipe / "stage2"
    stage.mkdir(parents=True)
    (stage / MANIFEST_FILE).write_text(json.dumps({"manifest_version": MANIFEST_VERSION, "checkpoint_sha256": weights}))
    (stage / CARD_FILE).write_text("# A model\n")
    return stage / CARD_FILE


def test_without_any_score_the_table_is_the_papers() -> None:
    names = ("benchmark_scores", "benchmark_verdicts", "benchmark_leakage")
    empty = Scored(*(TABLES[name].empty() for name in names))  # pyright: ignore
    assert all(row.is_published for row in make_table(empty, {"codeio": None}).rows)
