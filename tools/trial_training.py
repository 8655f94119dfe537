"""Trial of both stages for 100 steps each: SmolLM2-135M on the demo's data, then on grade-school mathematics.

Makes a project in var/trial_training (the demo's sources, ../shared/data/instruct/gsm8k_train_chat.jsonl as instruction
data, a recipe of 100 steps per stage) and materialises it. A second run goes on where a first was stopped.
`make trial-training`; about an hour on two cores.
"""

import argparse
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "instruct" / "gsm8k_train_chat.jsonl"
RECIPE = "trial"
LINKED = ("sql", "samples", "codeio_assets", "dagster.yaml")


def main() -> None:
    """Make the project and materialise everything in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="per stage")
    parser.add_argument("--tasks", type=int, default=12, help="held-out prompts that are answered, per direction")
    options = parser.parse_args()
    if not SHARED.is_file():
        sys.exit(f"{SHARED} is absent: the trial needs the shared test material")
    home = Path(os.environ.get("CODEIO_HOME", ROOT / "var")).resolve() / "trial_training"
    project = make_project(home / "project", options.steps, options.tasks)
    os.environ |= {"CODEIO_PROJECT": str(project), "CODEIO_HOME": str(home)}
    # the partitions of the graph are read from the project when it is loaded
    from codeio_assets.operating.local import materialise_everything
    from codeio_assets.project import Project

    materialise_everything(Project.find(), lambda line: print(line, flush=True), (RECIPE,))


def make_project(folder: Path, steps: int, tasks: int) -> Path:
    """Write the project's files; what does not change is linked."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "codeio.yaml").write_text((ROOT / "codeio.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    sources = yaml.safe_load((ROOT / "sources.yaml").read_text(encoding="utf-8"))
    sources["instruction_data"] = {"gsm8k": {"path": str(SHARED)}}
    (folder / "sources.yaml").write_text(yaml.safe_dump(sources), encoding="utf-8")
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    both = {"max_steps": steps, "global_batch_size": 4, "checkpoint_every_steps": 20, "validation_rows": 16}
    recipe["stages"][1] |= {**both, "learning_rate": 2.0e-5, "max_length": 1024}
    recipe["stages"][2] |= {**both, "learning_rate": 5.0e-5, "min_learning_rate": 5.0e-6, "max_length": 512}
    recipe["description"] = "CodeI/O++ with SmolLM2-135M, a trial on a CPU."
    recipe["evaluation"] |= {"tasks_per_direction": tasks, "loss_rows": tasks, "max_new_tokens": 256}
    (folder / "recipes" / f"{RECIPE}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
