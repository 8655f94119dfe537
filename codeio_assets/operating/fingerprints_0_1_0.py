"""What release 0.1.0 signed a partition with, so that what it made from the present inputs is known as such.

Settings count by the fields that they had then. To be deleted when projects of 0.1.0 need no upgrade any more.
What does not live here: upgrading (`operating.upgrading`), what is signed today (`graph.uses`).
"""

from collections.abc import Callable, Mapping
from typing import cast

from pydantic import BaseModel

from codeio_assets.core.method.assembly import recipe_parameters
from codeio_assets.core.method.verdicts import FEEDBACK_VERSION
from codeio_assets.core.settings.project import Source
from codeio_assets.core.values.canonical import JsonLike, content_id, sha256_hex
from codeio_assets.core.values.comparison import rule_version
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import Project

CODE_VERSIONS = {"eligible_code_files": "2", "unified_functions": "2", "training_sets": "2"}
FIELDS: dict[str, tuple[str, ...]] = {
    "Source": (
        "kind", "path", "glob", "fields", "repository", "license", "pairs_per_function", "shard_size", "max_bytes",
        "filters",
    ),
    "Filters": (
        "min_chars", "max_chars", "exact_duplicates", "near_duplicates", "licenses", "categories", "difficulty",
    ),
    "ModelCall": ("temperature", "top_p", "max_tokens", "seed", "stop", "system_messages"),
    "SandboxSettings": ("isolation", "cpu_s", "wall_s", "memory_mib"),
    "Sampling": ("draws", "draws_per_round", "min_pairs", "keep_degenerate", "seed"),
    "Split": ("validation_ratio", "test_ratio"),
    "Phrases": ("check_failed", "retry", "check_passed"),
    "InstructionSource": ("kind", "path", "dataset", "dataset_split", "revision", "limit"),
    "CotRules": ("min_chars", "max_chars", "copied_tokens", "loop_repeats", "loop_chars", "same_share", "language"),
    "Recipe": ("name", "base_model", "revision", "data", "format", "stages", "launch"),
    "StageRecipe": (
        "mix", "learning_rate", "lr_schedule", "min_learning_rate", "epochs", "max_steps", "global_batch_size",
        "per_device_batch_size", "max_length", "warmup_steps", "packing", "untrainable_rows", "gradient_checkpointing",
        "liger_kernel", "lora", "checkpoint_every_steps", "keep_last_checkpoints", "validation_rows", "seed",
    ),
    "Evaluation": (
        "tasks_per_direction", "loss_rows", "max_new_tokens", "max_length", "batch_size", "generation",
    ),
}  # fmt: skip
"""Settings -> the fields that they had in 0.1.0; those of other settings are unchanged."""
GONE: dict[str, dict[str, JsonLike]] = {"StageRecipe": {"liger_kernel": False}}
"""Fields that are gone since, at their default."""


def fingerprint(asset: str, partition: str, project: Project, upstream: Mapping[str, str]) -> str:
    """Return the fingerprint that 0.1.0 would have given a partition under the present settings."""
    return content_id(
        asset=asset,
        partition=partition,
        code_version=CODE_VERSIONS.get(asset, "1"),
        settings=SETTINGS[asset](project, partition),
        upstream=dict(upstream),
    )


def then(value: object) -> JsonLike:
    """Return settings as 0.1.0 wrote them."""
    if isinstance(value, BaseModel):
        kind = type(value).__name__
        dumped: dict[str, JsonLike] = value.model_dump(mode="json")
        fields = FIELDS.get(kind, tuple(dumped))
        own = {name: then(getattr(value, name)) for name in fields if name in dumped}
        return {**{name: gone for name, gone in GONE.get(kind, {}).items() if name not in dumped}, **own}
    if isinstance(value, Mapping):
        return {str(key): then(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, tuple | list):
        return [then(item) for item in cast("tuple[object, ...]", value)]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _source(project: Project, shard: str) -> Source:
    return project.source(shard.rsplit("-", 1)[0])


def _labels(project: Project, shard: str) -> JsonLike:
    filters = _source(project, shard).filters
    if not filters.ask_a_model:
        return None
    prompts = [project.prompt(name).sha256 for name in ("label_category", "complete_function", "draw_inputs")]
    return {"filters": then(filters), "model": project.settings.chat.model, "prompts": prompts}


def _chat(*names: str) -> Callable[[Project, str], JsonLike]:
    def settings(project: Project, _partition: str) -> JsonLike:
        chat = project.settings.chat
        decoding = {name: then(getattr(chat, name)) for name in ("transform", "predict")}
        decoding |= {"transform_attempts": chat.transform_attempts, "revision_turns": chat.revision_turns}
        return {"model": chat.model, "prompts": [project.prompt(name).sha256 for name in names], "chat": decoding}

    return settings


def _pairs(project: Project, shard: str) -> JsonLike:
    return {
        "sampling": then(project.settings.sampling),
        "sandbox": then(project.settings.sandbox),
        "pairs_per_function": _source(project, shard).pairs_per_function,
    }


def _training_set(project: Project, name: str) -> JsonLike:
    recipe, settings = project.recipe(name), project.settings
    parameters = recipe_parameters(recipe, settings.phrases, settings.split, project.prompt)
    return {
        "parameters": {key: value for key, value in parameters.items() if key in PARAMETERS},
        "mixes": {
            str(number): {str(kind): share for kind, share in stage.mix.items()}
            for number, stage in recipe.stages.items()
        },
        "sql": _texts(project, "transforms"),
    }


PARAMETERS = {
    "variant", "fraction", "include", "exclude", "pairs_limit", "pairs_fraction", "any_license", "unknown_license",
    "licenses", "turns", "with_checks", "to_truth", "is_control", "format", "test_ratio", "held_out_ratio",
    "check_failed", "retry", "check_passed", "as_asked", "input_prompt", "output_prompt",
}  # fmt: skip


def _recipe(project: Project, name: str) -> JsonLike:
    settings = project.settings
    return {"recipe": then(project.recipe(name)), "phrases": then(settings.phrases), "split": then(settings.split)}


def _texts(project: Project, folder: str) -> list[str]:
    return [path.read_text("utf-8") for path in sorted((project.root / "sql" / folder).glob("*.sql"))]


def _published(project: Project, _partition: str) -> JsonLike:
    setting = project.settings.quality.published
    path = project.root / setting if setting else None
    content = path.read_bytes() if path is not None and path.is_file() else None
    return {"file": None if content is None else sha256_hex(content), "limits": then(project.settings.sandbox)}


def _collected(project: Project, _partition: str) -> JsonLike:
    return [then(project.settings.split), [then(each) for each in project.sources.instruction_data.values()]]


SETTINGS: dict[str, Callable[[Project, str], JsonLike]] = {
    "raw_code_files": lambda project, shard: then(_source(project, shard)),
    "file_labels": _labels,
    "eligible_code_files": lambda project, shard: then(_source(project, shard)),
    "unified_functions": _chat("transform", "transform_repair"),
    "io_pairs": _pairs,
    "prediction_tasks": lambda project, _shard: [
        project.prompt(f"predict_{direction}").sha256 for direction in ("input", "output")
    ],
    "predictions": _chat(),
    "verdicts": lambda project, _shard: [rule_version(project.settings.judging.rule), FEEDBACK_VERSION],
    "revised_predictions": _chat("revise"),
    "instruction_data": _collected,
    "training_sets": _training_set,
    "sft_stage1_checkpoint": _recipe,
    "sft_stage2_checkpoint": _recipe,
    "held_out_scores": lambda project, name: [
        then(project.recipe(name).evaluation), rule_version(project.settings.judging.rule),
    ],
    "cot_flaws": lambda project, _shard: then(project.settings.quality.cot),
    "published_data_audit": _published,
}  # fmt: skip
"""Asset -> what decided it; reports are made again."""
assert set(SETTINGS) <= set(STEPS)
