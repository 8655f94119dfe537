"""Tokenising as a process of its own: the sets of a recipe's stages, made and audited before a GPU is asked for.

`python -m codeio_assets.training.tokenised.command --job stage1.json --job stage2.json --to FOLDER`

What lives here: the command line, and which set is taken instead of made. What does not: making one (`making`).
"""

import argparse
import fcntl
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.training.base_models import resolve_base_model
from codeio_assets.training.contract import Failure, TrainingError, TrainingJob
from codeio_assets.training.launching import processes_of, tokenising_result
from codeio_assets.training.reporting import reporting
from codeio_assets.training.tokenised.audit import TokenAudit, audit
from codeio_assets.training.tokenised.chat import load_chat_tokenizer
from codeio_assets.training.tokenised.making import layout_of, make_set
from codeio_assets.training.tokenised.samples import data_sha256
from codeio_assets.training.tokenised.sets import TRAIN, TokenisedSet, open_set, set_identity, tokenizer_sha256


def main(arguments: list[str] | None = None) -> int:
    """Tokenise jobs and write each one's result beside it; return the exit code. A failure is left for who asked."""
    parser = argparse.ArgumentParser(prog="codeio_assets.training.tokenised.command", description=__doc__)
    parser.add_argument("--job", type=Path, action="append", required=True, help="a training job as JSON")
    parser.add_argument("--to", type=Path, required=True, help="folder of the sets, each named by its identity")
    options = parser.parse_args(arguments)
    output_dir = ""
    try:
        with reporting() as report:
            for path in options.job:
                job = TrainingJob.read(path)
                output_dir = job.output_dir
                made, counted = tokenise(job, options.to)
                tokenising_result(path).write_text(json.dumps(_result(made, counted), sort_keys=True), encoding="utf-8")
                report({"kind": "audit", "stage": job.stage, **counted.as_json()})
    except Exception as error:
        is_told = isinstance(error, TrainingError)
        text = str(error) if is_told else f"{type(error).__name__}: {error}"
        sys.stderr.write(f"tokenising failed: {text}\n")
        if output_dir:
            Failure(text, final=is_told).write(output_dir)
        return 1
    return 0


def tokenise(job: TrainingJob, target: Path) -> tuple[TokenisedSet, TokenAudit]:
    """Return the set of a job and what its rows come to; a set that is there already is not made again.

    Raises:
        TrainingError: the tokenizer cannot be had, or nothing can be learned from the rows.
    """
    recipe = Recipe.model_validate(job.recipe)
    stage, layout = recipe.stage(job.stage), layout_of(recipe, job.stage)
    source = resolve_base_model(recipe.base_model, Path(job.cache_dir), recipe.revision)
    words = load_chat_tokenizer(source, recipe.revision)
    identity = set_identity(data_sha256(job), tokenizer_sha256(words.tokenizer), layout)
    with _alone(target, identity):
        made = _opened(target / identity) or make_set(job, recipe, words, target / identity)
    counted = audit(made.counts, stage, processes_of(recipe.launch), made.sequences[TRAIN])
    counted.require_trainable(stage.untrainable_rows)
    return made, counted


def _opened(folder: Path) -> TokenisedSet | None:
    try:
        return open_set(folder)
    except TrainingError:  # not there, or of another version
        return None


@contextmanager
def _alone(target: Path, identity: str) -> Generator[None]:
    """Let one process at a time make a set, which recipes share."""
    target.mkdir(parents=True, exist_ok=True)
    with (target / f"{identity}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _result(made: TokenisedSet, counted: TokenAudit) -> dict[str, object]:
    return {
        "set_id": made.folder.name,
        "data_sha256": made.data_sha256,
        "tokenizer_sha256": made.manifest["tokenizer"],
        "sequences": made.sequences,
        "size_bytes": sum(path.stat().st_size for path in made.folder.iterdir()),
        "audit": counted.as_json(),
    }


if __name__ == "__main__":
    sys.exit(main())
