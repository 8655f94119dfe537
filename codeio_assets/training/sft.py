"""The training script: `python -m codeio_assets.training.sft --job job.json`, by hand, by accelerate, or by Dagster.

What lives here: the command line, messages for people, exit codes. What does not: training (`trainer`).

Exit codes: 0 trained or already there; 1 a clear refusal or failure, told in one line on standard error.
"""

import argparse
import os
import sys
from pathlib import Path

from codeio_assets.training.contract import TrainingError, TrainingJob
from codeio_assets.training.launching import training_environment

QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
MEMORY_ADVICE = (
    "out of memory: {reason}. Lower max_length or per_device_batch_size, set gradient_checkpointing: true, or use "
    "more devices."
)


def main(arguments: list[str] | None = None) -> int:
    """Run one job; return the exit code."""
    parser = argparse.ArgumentParser(prog="codeio_assets.training.sft", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="a training job as JSON (contract.TrainingJob)")
    options = parser.parse_args(arguments)
    try:
        run(options.job)
    except TrainingError as error:
        sys.stderr.write(f"training failed: {error}\n")
        return 1
    return 0


def run(job_path: Path) -> None:
    """Run one job and report its result.

    Raises:
        TrainingError: it cannot be run, or failed; running out of memory is one of these.
    """
    for name, value in training_environment().items():
        os.environ.setdefault(name, value)
    job = TrainingJob.read(job_path)
    # torch and TRL take seconds to import: a bad job file should not
    from codeio_assets.training.progress import reporting
    from codeio_assets.training.trainer import run_job

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
