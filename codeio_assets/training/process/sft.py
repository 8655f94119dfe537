"""The training script, by hand, by accelerate, or by Dagster.

`python -m codeio_assets.training.process.sft recipes/demo.yaml --data rows.parquet --output out/stage1`, or `--job
job.json`.

What lives here: the command line, messages for people, exit codes. What does not: training (`trainer`).

Exit codes: 0 trained or already there; 1 a clear refusal or failure, told in one line on standard error.
"""

import argparse
import os
import sys
from pathlib import Path

from codeio_assets.core.settings.recipes import RecipeError, load_recipe
from codeio_assets.training.contract import Failure, TrainingError, TrainingJob
from codeio_assets.training.launching import training_environment

MEMORY_ADVICE = (
    "out of memory: {reason}. Lower max_length or per_device_batch_size, set gradient_checkpointing: true, add "
    "lora, or use more devices."
)


def main(arguments: list[str] | None = None) -> int:
    """Run one job; return the exit code. A failure is left beside the output too, for whoever started this."""
    options = _parser().parse_args(arguments)
    output_dir = ""
    try:
        job = _job(options)
        output_dir = job.output_dir
        run(job)
    except TrainingError as error:
        sys.stderr.write(f"training failed: {error}\n")
        _leave(Failure(str(error), final=True), output_dir)
        return 1
    except Exception as error:
        _leave(Failure(f"{type(error).__name__}: {error}", final=False), output_dir)
        raise
    return 0


def _leave(failure: Failure, output_dir: str) -> None:
    if output_dir:
        failure.write(output_dir)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="codeio_assets.training.process.sft", description=__doc__)
    parser.add_argument("recipe", type=Path, nargs="?", help="a recipe file; then --data and --output are needed")
    parser.add_argument("--job", type=Path, help="a training job as JSON (contract.TrainingJob), instead of a recipe")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--data", nargs="+", default=[], help="Parquet files of the table training_sets")
    parser.add_argument("--output", help="folder of the finished checkpoint")
    parser.add_argument("--parent", help="the stage-1 checkpoint that stage 2 starts from")
    parser.add_argument("--tracker", action="append", default=[], help="besides TensorBoard; may be repeated")
    return parser


def _job(options: argparse.Namespace) -> TrainingJob:
    if options.job:
        return TrainingJob.read(options.job)
    if not (options.recipe and options.data and options.output):
        raise TrainingError("give --job, or a recipe file with --data and --output.")
    try:
        recipe = load_recipe(options.recipe)
    except (RecipeError, OSError) as error:
        raise TrainingError(str(error)) from error
    return TrainingJob(
        recipe=recipe.model_dump(mode="json"),
        stage=options.stage,
        data_files=tuple(options.data),
        output_dir=options.output,
        parent=options.parent,
        trackers=tuple(options.tracker),
    )


def run(job: TrainingJob) -> None:
    """Run one job and report its result.

    Raises:
        TrainingError: it cannot be run, or failed; running out of memory is one of these.
    """
    for name, value in training_environment().items():
        os.environ.setdefault(name, value)
    # torch and TRL take seconds to import: a bad job file should not
    from codeio_assets.training.process.trainer import run_job
    from codeio_assets.training.reporting import reporting

    with reporting() as report:
        try:
            result = run_job(job, report)
        except MemoryError as error:
            raise TrainingError(MEMORY_ADVICE.format(reason=error or "no memory left")) from error
        except RuntimeError as error:  # CUDA's error is one too; torch on a CPU has no type of its own for it
            reason = str(error).splitlines()[0] if str(error) else ""
            if "out of memory" not in reason and "can't allocate memory" not in reason:
                raise
            raise TrainingError(MEMORY_ADVICE.format(reason=reason)) from error
        report({"kind": "result", **result.as_json()})


if __name__ == "__main__":
    sys.exit(main())
