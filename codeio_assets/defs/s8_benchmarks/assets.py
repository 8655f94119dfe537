"""s8: the paper's benchmarks: questions, answers of a recipe's models, scores, leakage, and the table of results."""

from dataclasses import replace

import dagster as dg
from pydantic import Field

from codeio_assets.evaluation.scoring import Scorer
from codeio_assets.graph.records import Asked
from codeio_assets.graph.steps import (
    BENCHMARK_ANSWERS,
    BENCHMARK_LEAKAGE,
    BENCHMARK_QUESTIONS,
    BENCHMARK_SCORES,
    RESULTS,
    spec,
)
from codeio_assets.resources.engines import ProjectResource
from codeio_assets.running.benchmarking import ask_benchmarks, preview_of, write_cards
from codeio_assets.running.retries import INFRASTRUCTURE
from codeio_assets.running.step import begin
from codeio_assets.sandbox import open_sandbox
from codeio_assets.sandbox.pool import default_workers
from codeio_assets.steps.benchmark_leakage import find_leaks
from codeio_assets.steps.benchmark_questions import load_questions, place_of
from codeio_assets.steps.benchmark_scores import Answers, score_answers
from codeio_assets.steps.results import Scored, as_result, make_table, write_pages


@dg.asset(**spec(BENCHMARK_QUESTIONS))
def benchmark_questions(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per question of a benchmark whose answer is known. A partition is one of the paper's fourteen.

    Read from the benchmark's own files in the folder that benchmarks.yaml names, or from the dataset that it names.
    Source: CodeI/O, sec. 3.1.
    """
    with begin(context, BENCHMARK_QUESTIONS, project) as step:
        here = step.project
        place = place_of(step.partition, here.benchmarks, here.root, here.home / "benchmarks")
        result = load_questions(step.partition, place, step.uses.source)
        return step.publish(result, preview_of(result, "benchmark_questions"))


class AnswersConfig(dg.Config):
    """What the launchpad offers for asking a part. What was answered before is kept; the whole stays to be made."""

    benchmarks: list[str] = Field(default=[], description="names; none asks those of benchmarks.yaml")
    limit: int = Field(
        default=0, ge=0, description="so many questions of each benchmark; 0 asks as benchmarks.yaml says"
    )

    def of(self, asked: Asked) -> Asked:
        """Return what is asked in this run."""
        names = tuple(self.benchmarks) or asked.benchmarks
        return replace(asked, benchmarks=names, limit=self.limit or asked.limit)


@dg.asset(**spec(BENCHMARK_ANSWERS), op_tags={"codeio/gpu": "true"}, retry_policy=INFRASTRUCTURE)
def benchmark_answers(
    context: dg.AssetExecutionContext, config: AnswersConfig, project: ProjectResource
) -> dg.MaterializeResult:
    """One row per (recipe, model, question): what base model, stage 1 and stage 2 answer, greedily.

    Zero-shot, BBH with three worked examples; one message of a user, no stop texts. Source: CodeI/O, sec. 3.1.
    """
    with begin(context, BENCHMARK_ANSWERS, project, config.of) as step:
        result = ask_benchmarks(step, keep_others=bool(config.benchmarks or config.limit))
        return step.publish(result, preview_of(result, "benchmark_answers", step.read("benchmark_questions")))


@dg.asset(**spec(BENCHMARK_LEAKAGE))
def benchmark_leakage(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per (recipe, question): whether 13 words in a row of it are in the recipe's training set, and where.

    Exact, in one pass over the set. Short questions and n-grams of many questions are told apart.
    Source: CodeI/O, sec. 4.7.
    """
    with begin(context, BENCHMARK_LEAKAGE, project) as step:
        samples, settings = step.file("training_sets"), step.uses
        result = find_leaks(step.partition, step.read("benchmark_questions"), samples, settings)
        return step.publish(result, preview_of(result, "benchmark_leakage"))


@dg.asset(**spec(BENCHMARK_SCORES), retry_policy=INFRASTRUCTURE)
def benchmark_scores(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per (recipe, model, benchmark): the benchmark's own figure in percent, with its 95% interval.

    Shares without an answer and of truncated answers, and the figure on questions that the training set lacks, are
    beside it; each verdict is in `benchmark_verdicts`. No model is asked. Source: CodeI/O, table 1.
    """
    with begin(context, BENCHMARK_SCORES, project) as step:
        scorer = Scorer(lambda limits: open_sandbox(limits, step.workers), step.workers or default_workers())
        try:
            return step.publish(score_answers(step.partition, step.uses.base_model, step.frames(Answers), scorer))
        finally:
            scorer.close()


@dg.asset(**spec(RESULTS))
def results(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per cell of the paper's Table 1 and of our rows beside it, with gains over the baseline's same questions.

    The table is in `reports/results.html`, `.md` and `.csv` as well, with groups of recipes as the paper has them, and
    each checkpoint's row in its model card. Source: CodeI/O, tables 1-4, 6 and 8, figures 4 and 5.
    """
    with begin(context, RESULTS, project) as step:
        uses = step.uses
        scored = step.frames(Scored)
        made = make_table(scored, uses.baselines, uses.last, uses.reported)
        page = write_pages(made, step.project.home / "reports")
        write_cards(scored.benchmark_scores, made, step.project.checkpoints)
        return step.publish(as_result(made), {"codeio/page": dg.MetadataValue.path(str(page))})
