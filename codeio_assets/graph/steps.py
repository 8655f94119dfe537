"""The stages: for each asset its group, inputs, version of its code, and the settings that decide its content.

One truth for the graph, the fingerprints and the README's table. What does not live here: the asset bodies (`defs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from codeio_assets.core.method.verdicts import FEEDBACK_VERSION
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import rule_version
from codeio_assets.graph import metadata as keys
from codeio_assets.graph import stage_settings as decides
from codeio_assets.graph.partitions import ALL_SHARDS, code_shards, recipes
from codeio_assets.project import Project

OWNER = "team:codeio"
FOLLOW_UPSTREAM = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""Up to the verdicts, when the automation sensor is on. `eager` alone ignores checks that failed in earlier runs
(dagster 1.13). Nothing that needs a GPU starts by itself."""

Partitioned = Literal["shards", "recipes", "none"]


@dataclass(frozen=True)
class Step:
    """One asset. `settings` returns what besides the upstream tables decides the content of a partition."""

    asset: str
    group: str
    partitioned: Partitioned
    upstream: tuple[str, ...]
    kinds: frozenset[str]
    section: str
    code_version: str = "1"
    pool: str | None = None
    settings: Callable[[Project, str], Json] = lambda _project, _partition: None

    @property
    def partitions_def(self) -> dg.PartitionsDefinition[str] | None:
        """The asset's partitions."""
        return {"shards": code_shards, "recipes": recipes, "none": None}[self.partitioned]


STEPS: dict[str, Step] = {
    stage.asset: stage
    for stage in (
        Step(
            "raw_code_files",
            "s1_raw_code",
            "shards",
            (),
            frozenset({"python", "parquet"}),
            "2.1",
            settings=decides.source,
        ),
        Step(
            "file_labels",
            "s1_raw_code",
            "shards",
            ("raw_code_files",),
            frozenset({"openai", "bubblewrap", "parquet"}),
            "2.1",
            pool="chat_server",
            settings=decides.labels,
        ),
        Step(
            "eligible_code_files",
            "s1_raw_code",
            "shards",
            ("raw_code_files", "file_labels"),
            frozenset({"python", "parquet"}),
            "2.1",
            code_version="2",
            settings=decides.source,
        ),
        Step(
            "unified_functions",
            "s2_functions",
            "shards",
            ("eligible_code_files",),
            frozenset({"openai", "parquet"}),
            "2.1",
            pool="chat_server",
            code_version="2",
            settings=decides.chat("transform", "transform_repair"),
        ),
        Step(
            "io_pairs",
            "s3_io_pairs",
            "shards",
            ("unified_functions",),
            frozenset({"bubblewrap", "parquet"}),
            "2.2",
            pool="sandbox",
            settings=decides.pairs,
        ),
        Step(
            "prediction_tasks",
            "s4_predictions",
            "shards",
            ("unified_functions", "io_pairs"),
            frozenset({"python", "parquet"}),
            "2.3",
            settings=lambda project, _partition: [
                project.prompt(f"predict_{direction}").sha256 for direction in ("input", "output")
            ],
        ),
        Step(
            "predictions",
            "s4_predictions",
            "shards",
            ("prediction_tasks",),
            frozenset({"openai", "parquet"}),
            "2.3",
            pool="chat_server",
            settings=decides.chat(),
        ),
        Step(
            "verdicts",
            "s4_predictions",
            "shards",
            ("unified_functions", "io_pairs", "prediction_tasks", "predictions"),
            frozenset({"bubblewrap", "parquet"}),
            "2.3",
            pool="sandbox",
            settings=lambda project, _partition: [rule_version(project.settings.judging.rule), FEEDBACK_VERSION],
        ),
        Step(
            "revised_predictions",
            "s5_revision",
            "shards",
            ("unified_functions", "io_pairs", "prediction_tasks", "predictions", "verdicts"),
            frozenset({"openai", "bubblewrap", "parquet"}),
            "2.4",
            pool="chat_server",
            settings=decides.chat("revise"),
        ),
        Step(
            "instruction_data",
            "s6_training_data",
            "none",
            (),
            frozenset({"python", "parquet"}),
            "3.1",
            settings=lambda project, _partition: [
                project.settings.split.model_dump(),
                [source.model_dump(mode="json") for source in project.sources.instruction_data.values()],
            ],
        ),
        Step(
            "training_sets",
            "s6_training_data",
            "recipes",
            (
                "eligible_code_files",
                "unified_functions",
                "io_pairs",
                "prediction_tasks",
                "predictions",
                "verdicts",
                "revised_predictions",
                "instruction_data",
            ),
            frozenset({"duckdb", "parquet"}),
            "2.4",
            code_version="2",
            settings=decides.training_set,
        ),
        Step(
            "sft_stage1_checkpoint",
            "s7_training",
            "recipes",
            ("training_sets",),
            frozenset({"huggingface", "pytorch"}),
            "3.1",
            pool="gpu",
            settings=decides.recipe,
        ),
        Step(
            "sft_stage2_checkpoint",
            "s7_training",
            "recipes",
            ("training_sets", "sft_stage1_checkpoint"),
            frozenset({"huggingface", "pytorch"}),
            "3.1",
            pool="gpu",
            settings=decides.recipe,
        ),
        Step(
            "held_out_scores",
            "s7_training",
            "recipes",
            (
                "unified_functions",
                "io_pairs",
                "prediction_tasks",
                "training_sets",
                "sft_stage1_checkpoint",
                "sft_stage2_checkpoint",
            ),
            frozenset({"huggingface", "bubblewrap", "parquet"}),
            "4",
            pool="gpu",
            settings=decides.evaluation,
        ),
        Step(
            "cot_flaws",
            "s8_reports",
            "shards",
            ("unified_functions", "predictions", "revised_predictions"),
            frozenset({"python", "parquet"}),
            "2.3",
            settings=lambda project, _partition: project.settings.quality.cot.model_dump(),
        ),
        Step(
            "shard_reports",
            "s8_reports",
            "shards",
            (
                "raw_code_files",
                "eligible_code_files",
                "unified_functions",
                "io_pairs",
                "prediction_tasks",
                "predictions",
                "verdicts",
                "revised_predictions",
                "cot_flaws",
            ),
            frozenset({"duckdb", "plotly"}),
            "4",
            settings=decides.report_queries,
        ),
        Step(
            "published_data_audit",
            "s8_reports",
            "none",
            (),
            frozenset({"bubblewrap", "parquet"}),
            "2.3",
            pool="sandbox",
            settings=decides.published,
        ),
        Step(
            "quality_report",
            "s8_reports",
            "none",
            (
                "raw_code_files",
                "eligible_code_files",
                "unified_functions",
                "io_pairs",
                "prediction_tasks",
                "predictions",
                "verdicts",
                "revised_predictions",
                "cot_flaws",
                "instruction_data",
                "training_sets",
                "sft_stage1_checkpoint",
                "sft_stage2_checkpoint",
                "held_out_scores",
            ),
            frozenset({"duckdb", "plotly"}),
            "4",
            settings=decides.report_queries,
        ),
        Step("status", "s8_reports", "none", ("quality_report",), frozenset({"duckdb", "markdown"}), "4"),
    )
}
"""Asset name -> stage, in flow order. `revised_verdicts` is written together with `revised_predictions`."""


def committed_assets(stage: Step) -> list[str]:
    """Return the assets that a stage's step makes: its own, and the verdicts of the revision."""
    return [stage.asset, "revised_verdicts"] if stage.asset == "revised_predictions" else [stage.asset]


def dependencies(stage: Step) -> list[dg.AssetDep]:
    """Return the upstream assets that the graph draws, with the mapping from the stage's partitions to theirs.

    What a stage reads besides lies upstream of these anyway; with an edge for each, nobody can follow the flow.
    """
    beyond = {name for direct in stage.upstream for name in _ancestors(direct)}
    drawn = [name for name in stage.upstream if name not in beyond]
    return [dg.AssetDep(name, partition_mapping=_mapping(stage, STEPS[name])) for name in drawn]


def _ancestors(asset: str) -> set[str]:
    upstream = STEPS[asset].upstream
    return {*upstream}.union(*(_ancestors(name) for name in upstream))


def _mapping(stage: Step, upstream: Step) -> dg.PartitionMapping | None:
    if upstream.partitioned == "none" or stage.partitioned == upstream.partitioned:
        return None
    return ALL_SHARDS


def spec(asset: str) -> dict[str, Any]:
    """Return the keyword arguments of `@dg.asset` that follow from the stage; the docstring is the description."""
    stage = STEPS[asset]
    arguments: dict[str, Any] = {
        "group_name": stage.group,
        "partitions_def": stage.partitions_def,
        "deps": dependencies(stage),
        "kinds": set(stage.kinds),
        "owners": [OWNER],
        "code_version": stage.code_version,
        "tags": {"codeio/paper_section": stage.section},
        "metadata": _definition_metadata(asset),
    }
    if stage.pool:
        arguments["pool"] = stage.pool
    if stage.partitioned == "shards" and stage.upstream:
        arguments["automation_condition"] = FOLLOW_UPSTREAM
    return arguments


def multi_spec(asset: str, description: str) -> dg.AssetSpec:
    """Return the spec of one asset of a step that makes several; those without a stage follow their step's."""
    stage = STEPS.get(asset, STEPS["revised_predictions"])
    return dg.AssetSpec(
        asset,
        automation_condition=FOLLOW_UPSTREAM,
        deps=dependencies(stage),
        description=description,
        group_name=stage.group,
        kinds=set(stage.kinds),
        owners=[OWNER],
        code_version=stage.code_version,
        tags={"codeio/paper_section": stage.section},
        metadata=_definition_metadata(asset),
    )


def _definition_metadata(table: str) -> dict[str, Any]:
    """Return the columns and the name of an asset's table, which the UI shows before anything is made."""
    return {keys.COLUMN_SCHEMA: keys.column_schema(table), keys.TABLE_NAME: table}
