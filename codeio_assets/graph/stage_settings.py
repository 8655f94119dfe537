"""What besides the upstream tables decides the content of a partition: settings, prompts and SQL, by stage.

Each function takes the project and a partition. What does not live here: the stages that name them (`steps`).
"""

from collections.abc import Callable
from typing import Any

from codeio_assets.core.method.assembly import recipe_parameters
from codeio_assets.core.values.canonical import Json, sha256_hex
from codeio_assets.core.values.comparison import rule_version
from codeio_assets.project import Project
from codeio_assets.steps.file_labels import PROMPTS


def source(project: Project, partition: str) -> Json:
    """Return the settings of a shard's source."""
    return project.source(partition.rsplit("-", 1)[0]).model_dump(mode="json")


def labels(project: Project, partition: str) -> Json:
    """Return what decides the labels of a shard's files; None where no model is asked."""
    filters = project.source(partition.rsplit("-", 1)[0]).filters
    if not filters.ask_a_model:
        return None
    prompts = [project.prompt(name).sha256 for name in PROMPTS]
    return {"filters": filters.model_dump(mode="json"), "model": project.settings.chat.model, "prompts": prompts}


def pairs(project: Project, partition: str) -> Json:
    """Return how pairs of a shard are sampled, within which limits, and how many per function."""
    return {
        "sampling": project.settings.sampling.model_dump(),
        "sandbox": _limits(project),
        "pairs_per_function": project.source(partition.rsplit("-", 1)[0]).pairs_per_function,
    }


def chat(*names: str) -> Callable[[Project, str], Json]:
    """Return a function that gives the model, its sampling and the named prompts."""

    def settings(project: Project, _partition: str) -> Json:
        chat = project.settings.chat
        prompts = [project.prompt(name).sha256 for name in names]
        return {"model": chat.model, "prompts": prompts, "chat": _decoding(chat.model_dump(mode="json"))}

    return settings


def _decoding(chat: dict[str, Any]) -> Json:
    return {name: chat[name] for name in ("transform", "transform_attempts", "predict", "revision_turns")}


def recipe(project: Project, partition: str) -> Json:
    """Return a recipe, the phrases and the split."""
    settings = project.settings
    recipe = project.recipes[partition].substance()
    return {"recipe": recipe, "phrases": settings.phrases.model_dump(), "split": settings.split.model_dump()}


def training_set(project: Project, partition: str) -> Json:
    """Return what decides the rows of a training set: parameters, mixes, and the SQL itself."""
    recipe, settings = project.recipes[partition], project.settings
    transforms = sorted((project.root / "sql" / "transforms").glob("*.sql"))
    return {
        "parameters": recipe_parameters(recipe, settings.phrases, settings.split),
        "mixes": {str(number): dict(stage.mix) for number, stage in recipe.stages.items()},
        "sql": [path.read_text("utf-8") for path in transforms],
    }


def published(project: Project, _partition: str) -> Json:
    """Return the content of the audited file, by hash, and the limits of the sandbox."""
    setting = project.settings.quality.published
    path = project.root / setting if setting else None
    content = path.read_bytes() if path is not None and path.is_file() else None
    return {"file": sha256_hex(content) if content is not None else None, "limits": _limits(project)}


def _limits(project: Project) -> Json:
    return project.settings.sandbox.model_dump(exclude={"workers"})


def report_queries(project: Project, _partition: str) -> Json:
    """Return the report queries themselves."""
    return [path.read_text("utf-8") for path in sorted((project.root / "sql" / "reports").glob("*.sql"))]


def evaluation(project: Project, partition: str) -> Json:
    """Return how a recipe is evaluated, and the rule of judging."""
    evaluation = project.recipes[partition].evaluation.model_dump(mode="json")
    return [evaluation, rule_version(project.settings.judging.rule)]
