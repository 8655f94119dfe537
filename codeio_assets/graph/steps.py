"""The steps: for each asset its group, what it reads and writes, and what else decides its content.

One truth for the graph, the body, the fingerprints and the README's table: a body reads only what its step declares,
and is given the record that `uses` returns. What does not live here: the bodies (`defs`), the records (`graph.uses`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import dagster as dg

from codeio_assets.core.tables.data import RUN_TABLES
from codeio_assets.graph import metadata as keys
from codeio_assets.graph import uses
from codeio_assets.graph.partitions import ALL, UNPARTITIONED, benchmarks, code_shards, recipes
from codeio_assets.project import Project
from codeio_assets.steps.benchmark_questions import names_of

OWNER = "team:codeio"
FOLLOW_UPSTREAM = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""Up to the verdicts, when the automation sensor is on. `eager` alone ignores checks that failed in earlier runs
(dagster 1.13). Nothing that needs a GPU starts by itself."""

Per = Literal["shard", "recipe", "benchmark", "project"]
Used = TypeVar("Used", covariant=True)


@dataclass(frozen=True)
class Step(Generic[Used]):
    """One step: it makes its asset, and the tables that are committed together.

    Args:
        asset: the asset's name, also that of its main table.
        group: of the flow in the UI, numbered.
        per: what a partition is.
        section: of the paper.
        kinds: shown in the UI.
        uses: returns the record of what besides the tables decides a partition.
        reads: the tables that the body may read: a shard's own partition; of a recipe its own and all shards', all
            benchmarks' and the project's; of the project everything. What a shard cannot see is empty for it.
        also_writes: further tables of the commit.
        assets: further assets that the step makes, one of `also_writes` each.
        code_version: raised when the body gives other rows for the same input.
        pool: the scarce thing that it takes.
    """

    asset: str
    group: str
    per: Per
    section: str
    kinds: frozenset[str]
    uses: Callable[[Project, str], Used]
    reads: tuple[str, ...] = ()
    also_writes: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    code_version: str = "1"
    pool: str | None = None

    @property
    def writes(self) -> tuple[str, ...]:
        """All tables of the commit, the asset's own first."""
        return (self.asset, *self.also_writes)

    @property
    def makes(self) -> tuple[str, ...]:
        """All assets of the step, its own first."""
        return (self.asset, *self.assets)

    @property
    def upstream(self) -> tuple[str, ...]:
        """The assets that commit what the step reads, in flow order; tables that runs add to belong to none."""
        writers = {WRITERS[table].asset for table in self.reads if table not in RUN_TABLES and self.sees(table)}
        return tuple(asset for asset in STEPS if asset in writers)

    def sees(self, table: str) -> bool:
        """Tell whether there can be rows of a table for this step: a shard sees nothing beyond itself."""
        return self.per != "shard" or table in RUN_TABLES or WRITERS[table].per == "shard"

    @property
    def partitions_def(self) -> dg.PartitionsDefinition[str] | None:
        """The asset's partitions."""
        return {"shard": code_shards, "recipe": recipes, "benchmark": benchmarks, "project": None}[self.per]


def _kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


JUDGING = ("unified_functions", "io_pairs", "prediction_tasks", "predictions")
LOGS = ("training_log", "token_audit")

RAW_CODE_FILES = Step(
    "raw_code_files", "s1_raw_code", "shard", "2.1", _kinds("python", "parquet"), uses.ingested,
    also_writes=("raw_code_files_rejections",),
)  # fmt: skip
FILE_LABELS = Step(
    "file_labels", "s1_raw_code", "shard", "2.1", _kinds("openai", "bubblewrap", "parquet"), uses.labelled,
    reads=("raw_code_files",), pool="chat_server",
)  # fmt: skip
ELIGIBLE_CODE_FILES = Step(
    "eligible_code_files", "s1_raw_code", "shard", "2.1", _kinds("python", "parquet"), uses.filtered,
    reads=("raw_code_files", "file_labels"), code_version="2",
    also_writes=("near_duplicate_groups", "eligible_code_files_rejections"),
)  # fmt: skip
UNIFIED_FUNCTIONS = Step(
    "unified_functions", "s2_functions", "shard", "2.2", _kinds("openai", "parquet"), uses.transformed,
    reads=("eligible_code_files",), pool="chat_server", code_version="2",
    also_writes=("transform_attempts", "unified_functions_rejections"),
)  # fmt: skip
IO_PAIRS = Step(
    "io_pairs", "s3_io_pairs", "shard", "2.3", _kinds("bubblewrap", "parquet"), uses.sampled,
    reads=("unified_functions",), pool="sandbox", also_writes=("io_pairs_rejections",),
)  # fmt: skip
EXECUTION_TRACES = Step(
    "execution_traces", "s3_io_pairs", "shard", "beyond", _kinds("bubblewrap", "parquet"), uses.traced,
    reads=("unified_functions", "io_pairs"), pool="sandbox",
    also_writes=("execution_traces_rejections", "step_questions"),
)  # fmt: skip
PREDICTION_TASKS = Step(
    "prediction_tasks", "s4_predictions", "shard", "2.4", _kinds("python", "parquet"), uses.prompted,
    reads=("unified_functions", "io_pairs"), also_writes=("prediction_tasks_rejections",),
)  # fmt: skip
PREDICTIONS = Step(
    "predictions", "s4_predictions", "shard", "2.4", _kinds("openai", "parquet"), uses.predicted,
    reads=("prediction_tasks", "unified_functions", "io_pairs", "execution_traces"), pool="chat_server",
)  # fmt: skip
PASS_RATES = Step(
    "pass_rates", "s4_predictions", "shard", "beyond", _kinds("openai", "bubblewrap", "parquet"), uses.rated,
    reads=("unified_functions", "io_pairs", "prediction_tasks"), pool="chat_server", also_writes=("sampled_answers",),
)  # fmt: skip
VERDICTS = Step(
    "verdicts", "s4_predictions", "shard", "2.4", _kinds("bubblewrap", "parquet"), uses.judged,
    reads=JUDGING, pool="sandbox",
)  # fmt: skip
REVISED_PREDICTIONS = Step(
    "revised_predictions", "s5_revision", "shard", "2.4", _kinds("openai", "bubblewrap", "parquet"), uses.revised,
    reads=(*JUDGING, "verdicts"), pool="chat_server",
    also_writes=("revised_verdicts",), assets=("revised_verdicts",),
)  # fmt: skip
COT_GROUNDING = Step(
    "cot_grounding", "s5_revision", "shard", "beyond", _kinds("bubblewrap", "parquet"), uses.traced,
    reads=(
        "unified_functions", "prediction_tasks", "execution_traces", "predictions", "verdicts", "revised_predictions",
        "revised_verdicts",
    ),
    pool="sandbox",
)  # fmt: skip
INSTRUCTION_DATA = Step(
    "instruction_data", "s6_training_data", "project", "3.1", _kinds("python", "parquet"), uses.collected,
    also_writes=("instruction_data_rejections",),
)  # fmt: skip
TRAINING_SETS = Step(
    "training_sets", "s6_training_data", "recipe", "2.4", _kinds("duckdb", "parquet"), uses.assembled,
    reads=(
        "near_duplicate_groups", "unified_functions", "io_pairs", "prediction_tasks", "predictions",
        "verdicts", "revised_predictions", "revised_verdicts", "instruction_data", "pass_rates",
        "cot_grounding", "step_questions",
    ),
    code_version="2", also_writes=("training_sets_rejections",),
)  # fmt: skip
TOKENISED_SETS = Step(
    "tokenised_sets", "s6_training_data", "recipe", "3.1", _kinds("huggingface", "arrow"), uses.tokenised,
    reads=("training_sets",), pool="tokenise",
)  # fmt: skip
SFT_STAGE1_CHECKPOINT = Step(
    "sft_stage1_checkpoint", "s7_training", "recipe", "3.1", _kinds("huggingface", "pytorch"), uses.trained_in_stage1,
    reads=("training_sets", "tokenised_sets"), pool="gpu", also_writes=tuple(f"sft_stage1_{name}" for name in LOGS),
)  # fmt: skip
SFT_STAGE2_CHECKPOINT = Step(
    "sft_stage2_checkpoint", "s7_training", "recipe", "3.1", _kinds("huggingface", "pytorch"), uses.trained_in_stage2,
    reads=("training_sets", "tokenised_sets", "sft_stage1_checkpoint"), pool="gpu",
    also_writes=tuple(f"sft_stage2_{name}" for name in LOGS),
)  # fmt: skip
HELD_OUT_SCORES = Step(
    "held_out_scores", "s7_training", "recipe", "4", _kinds("huggingface", "bubblewrap", "parquet"), uses.evaluated,
    reads=(
        "unified_functions", "io_pairs", "prediction_tasks", "training_sets", "sft_stage1_checkpoint",
        "sft_stage2_checkpoint",
    ),
    pool="gpu", also_writes=("held_out_answers",),
)  # fmt: skip
BENCHMARK_QUESTIONS = Step(
    "benchmark_questions", "s8_benchmarks", "benchmark", "3.1", _kinds("python", "parquet"), uses.benchmarked
)
BENCHMARK_ANSWERS = Step(
    "benchmark_answers", "s8_benchmarks", "recipe", "3.1", _kinds("huggingface", "parquet"), uses.asked,
    reads=("benchmark_questions", "sft_stage1_checkpoint", "sft_stage2_checkpoint"), pool="gpu",
)  # fmt: skip
BENCHMARK_LEAKAGE = Step(
    "benchmark_leakage", "s8_benchmarks", "recipe", "4", _kinds("python", "parquet"), uses.searched,
    reads=("benchmark_questions", "training_sets"),
)  # fmt: skip
BENCHMARK_SCORES = Step(
    "benchmark_scores", "s8_benchmarks", "recipe", "3.1", _kinds("bubblewrap", "parquet"), uses.marked,
    reads=("benchmark_questions", "benchmark_answers", "benchmark_leakage"), pool="sandbox",
    also_writes=("benchmark_verdicts",),
)  # fmt: skip
RESULTS = Step(
    "results", "s8_benchmarks", "project", "3.1", _kinds("python", "markdown"), uses.compared,
    reads=("benchmark_scores", "benchmark_verdicts", "benchmark_leakage"),
)  # fmt: skip
COT_FLAWS = Step(
    "cot_flaws", "s9_reports", "shard", "2.4", _kinds("python", "parquet"), uses.reviewed,
    reads=("unified_functions", "predictions", "revised_predictions"),
)  # fmt: skip
PUBLISHED_DATA_AUDIT = Step(
    "published_data_audit", "s9_reports", "project", "2.3", _kinds("bubblewrap", "parquet"), uses.audited,
    pool="sandbox",
)  # fmt: skip
REPORTED = (
    "raw_code_files", "raw_code_files_rejections", "file_labels", "near_duplicate_groups", "eligible_code_files",
    "eligible_code_files_rejections", "transform_attempts", "unified_functions", "unified_functions_rejections",
    "io_pairs", "io_pairs_rejections", "prediction_tasks", "prediction_tasks_rejections", "predictions", "verdicts",
    "revised_predictions", "revised_verdicts", "cot_flaws", "cot_grounding", "pass_rates", "instruction_data",
    "instruction_data_rejections",
    "training_sets", "training_sets_rejections", "sft_stage1_checkpoint", "sft_stage1_training_log",
    "sft_stage2_checkpoint", "sft_stage2_training_log", "held_out_scores", "results", "published_data_audit",
    *RUN_TABLES,
)  # fmt: skip
"""What the queries of `sql/reports` name; a test holds it."""
SHARD_REPORTS = Step(
    "shard_reports", "s9_reports", "shard", "4", _kinds("duckdb", "plotly"), uses.reported,
    reads=REPORTED,
)  # fmt: skip
QUALITY_REPORT = Step(
    "quality_report", "s9_reports", "project", "4", _kinds("duckdb", "plotly"), uses.reported, reads=REPORTED
)
STATUS = Step(
    "status", "s9_reports", "project", "4", _kinds("duckdb", "markdown"), uses.nothing, reads=("quality_report",)
)

STEPS: dict[str, Step[object]] = {
    step.asset: step
    for step in (
        RAW_CODE_FILES, FILE_LABELS, ELIGIBLE_CODE_FILES, UNIFIED_FUNCTIONS, IO_PAIRS, EXECUTION_TRACES,
        PREDICTION_TASKS, PREDICTIONS, PASS_RATES, VERDICTS, REVISED_PREDICTIONS, COT_GROUNDING, INSTRUCTION_DATA,
        TRAINING_SETS, TOKENISED_SETS, SFT_STAGE1_CHECKPOINT, SFT_STAGE2_CHECKPOINT, HELD_OUT_SCORES,
        BENCHMARK_QUESTIONS, BENCHMARK_ANSWERS, BENCHMARK_LEAKAGE, BENCHMARK_SCORES, RESULTS,
        COT_FLAWS, PUBLISHED_DATA_AUDIT, SHARD_REPORTS, QUALITY_REPORT, STATUS,
    )
}  # fmt: skip
"""Asset -> step, in flow order."""
BENCHMARKED = tuple(step.asset for step in STEPS.values() if step.group == "s8_benchmarks" and step.per == "recipe")
"""What is made of a recipe on the benchmarks."""
WRITERS: dict[str, Step[object]] = {table: step for step in STEPS.values() for table in step.writes}
"""Table -> the step that commits it."""
MAKERS: dict[str, Step[object]] = {asset: step for step in STEPS.values() for asset in step.makes}
"""Asset -> the step that makes it."""


def partitions_of(per: Per, project: Project) -> Sequence[str]:
    """Return the partitions that there are to be, of the project as it stands.

    Raises:
        SettingsError: a file of the project cannot be read.
    """
    if per == "shard":
        return project.shards.keys()
    if per == "benchmark":
        return names_of(project.benchmarks, project.root)
    return project.recipe_names() if per == "recipe" else [UNPARTITIONED]


def dependencies(step: Step[object]) -> list[dg.AssetDep]:
    """Return the upstream assets that the graph draws, with the mapping from the step's partitions to theirs.

    What a step reads besides lies upstream of these anyway; with an edge for each, nobody can follow the flow.
    """
    beyond = {name for direct in step.upstream for name in _ancestors(direct)}
    drawn = [name for name in step.upstream if name not in beyond]
    return [dg.AssetDep(name, partition_mapping=_mapping(step, STEPS[name])) for name in drawn]


def _ancestors(asset: str) -> set[str]:
    upstream = STEPS[asset].upstream
    return {*upstream}.union(*(_ancestors(name) for name in upstream))


def _mapping(step: Step[object], upstream: Step[object]) -> dg.PartitionMapping | None:
    return None if upstream.per in ("project", step.per) else ALL


Arguments = dict[str, Any]
"""Keyword arguments of Dagster's own functions, of as many types."""


def spec(step: Step[object]) -> Arguments:
    """Return the keyword arguments of `@dg.asset` that follow from the step; the docstring is the description."""
    arguments: Arguments = {**_shared(step, step.asset), "partitions_def": step.partitions_def}
    if step.pool:
        arguments["pool"] = step.pool
    return arguments


def multi_spec(step: Step[object], asset: str, description: str) -> dg.AssetSpec:
    """Return the spec of one asset of a step that makes several."""
    return dg.AssetSpec(asset, description=description, **_shared(step, asset))


def _shared(step: Step[object], asset: str) -> Arguments:
    arguments: Arguments = {
        "group_name": step.group,
        "deps": dependencies(step),
        "kinds": set(step.kinds),
        "owners": [OWNER],
        "code_version": step.code_version,
        "tags": {"codeio/paper_section": step.section},
        # what the UI shows before anything is made
        "metadata": {keys.COLUMN_SCHEMA: keys.column_schema(asset), keys.TABLE_NAME: asset},
    }
    if step.per == "shard" and step.upstream:
        arguments["automation_condition"] = FOLLOW_UPSTREAM
    return arguments
