"""Jobs and the sensor: how a shard, a recipe or the report is materialised, by hand or when files appear."""

import dagster as dg

from codeio_assets.graph.gpu import recipe_runs
from codeio_assets.graph.partitions import code_shards, recipes
from codeio_assets.graph.steps import BENCHMARKED, STEPS
from codeio_assets.operating.everything import bring_up_to_date
from codeio_assets.operating.registering import register_new_files
from codeio_assets.project import Project

SHARDED = [step.asset for step in STEPS.values() if step.per == "shard"]
PER_RECIPE = [step.asset for step in STEPS.values() if step.per == "recipe" and step.asset not in BENCHMARKED]
WITHOUT_GPU = ("training_sets", "tokenised_sets")
"""What of a recipe is made before its training, on any machine."""

data_job = dg.define_asset_job(
    "data",
    selection=[*SHARDED, "revised_verdicts"],
    partitions_def=code_shards,
    description="One shard from raw code to judged predictions. Backfill it over any range of shards.",
)
ASKING = ("unified_functions", "predictions", "revision")
"""Steps that ask a model."""
MADE_FROM_ANSWERS = [name for name in SHARDED if name not in {"raw_code_files", "eligible_code_files"}]

retry_failed_job = dg.define_asset_job(
    "retry_failed_requests",
    selection=[*MADE_FROM_ANSWERS, "revised_verdicts"],
    partitions_def=code_shards,
    config={"ops": {step: {"config": {"only_failed": True}} for step in ASKING}},
    description="Asks again only for requests of a shard that failed, then makes what follows from the answers.",
)
prepare_job = dg.define_asset_job(
    "prepare",
    selection=["instruction_data", *WITHOUT_GPU],
    partitions_def=recipes,
    description="One recipe's training set and its tokens, over all shards that are there; no GPU. `train` is next.",
)
train_job = dg.define_asset_job(
    "train",
    selection=[asset for asset in PER_RECIPE if asset not in WITHOUT_GPU],
    partitions_def=recipes,
    config=recipe_runs,
    description="One recipe from the tokens that `prepare` made to scored checkpoints, on as many GPUs as it launches.",
)
evaluate_job = dg.define_asset_job(
    "evaluate",
    selection=list(BENCHMARKED),
    partitions_def=recipes,
    description="One recipe's base model and checkpoints on the benchmarks whose questions are there, as "
    "benchmarks.yaml says; `results` is the table.",
)
report_job = dg.define_asset_job(
    "report",
    selection=["quality_report", "status"],
    description="The quality report and the status over everything that is there.",
)


@dg.job(name="demo")
def demo_job() -> None:
    """Everything that is out of date, from the files of all sources to the report: what `codeio demo` does."""
    bring_up_to_date()


@dg.job(name="register", description="Form shards of raw files that no shard holds yet, with progress in the log.")
def register_job() -> None:
    """Register new raw files."""
    register_new_files()


@dg.sensor(jobs=[data_job, register_job], minimum_interval_seconds=60)
def new_code_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Look for raw files that no shard holds yet, request a `register` run for them, and a `data` run per new shard."""
    project = Project.find()
    pending = project.shards.pending(project.sources, project.root)
    registering = [dg.RunRequest(run_key=f"register-{pending}", job_name="register")] if pending else []
    known = set(context.instance.get_dynamic_partitions(code_shards.name or ""))
    new = [key for key in project.shards.keys() if key not in known]  # noqa: SIM118  (a registry)
    return dg.SensorResult(
        run_requests=[
            *registering,
            *(dg.RunRequest(run_key=f"new-shard-{key}", partition_key=key, job_name="data") for key in new),
        ],
        dynamic_partitions_requests=[code_shards.build_add_request(new)] if new else [],
    )


JOBS = [demo_job, data_job, retry_failed_job, prepare_job, train_job, evaluate_job, report_job, register_job]
defs = dg.Definitions(jobs=JOBS, sensors=[new_code_files])
