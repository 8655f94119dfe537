"""What besides the tables that it reads decides a step's result: one frozen record per kind of step.

A record is what the body of the step is given and what its fingerprint is made of, so that the two cannot differ. Each
function takes the project and a partition. What does not live here: the records themselves (`graph.records`), the steps
that name the functions (`graph.steps`).
"""

from collections.abc import Iterable, Mapping

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.core.method.assembly import recipe_parameters
from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.settings.models import Chat
from codeio_assets.core.settings.project import (
    Reading,
    SettingsError,
    Source,
)
from codeio_assets.core.settings.quality import CotRules
from codeio_assets.core.settings.recipes import Recipe, RecipeError
from codeio_assets.core.tables.data import DIRECTIONS
from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.core.values.comparison import rule_version
from codeio_assets.graph.records import (
    Asked,
    Assembled,
    Audited,
    Benchmarked,
    Collected,
    Compared,
    Evaluated,
    Executed,
    Filtered,
    Ingested,
    Judged,
    Labelled,
    Marked,
    Model,
    Prompts,
    Rated,
    Revised,
    Sampled,
    Tokenised,
    Traced,
    Trained,
    Transformed,
    Walked,
)
from codeio_assets.project import Project
from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.sandbox.interpreters import Interpreter, find_interpreter
from codeio_assets.sandbox.tracing import TraceBounds
from codeio_assets.steps.benchmark_questions import content_of, local_place
from codeio_assets.steps.file_labels import PROMPTS as LABEL_PROMPTS
from codeio_assets.steps.training_sets import marked_out, mixes_of, withheld_by


def without_comments(sql: str) -> str:
    """Return SQL without its comment lines, which decide nothing."""
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


def nothing(_project: Project, _partition: str) -> None:
    """Return that nothing but the tables decides."""


def ingested(project: Project, shard: str) -> Ingested:
    """Return how a shard is read."""
    source = _source(project, shard)
    reading = Reading.model_validate({name: getattr(source, name) for name in Reading.model_fields})
    return Ingested(reading, project.shards.taken_down(shard))


def labelled(project: Project, shard: str) -> Labelled | None:
    """Return what a model is asked about the files of a shard; None where it is not."""
    filters = _source(project, shard).filters
    if not filters.ask_a_model:
        return None
    prompts = {name: project.prompt(name) for name in LABEL_PROMPTS}
    return Labelled(filters, project.settings.chat.model, prompts, executed(project))


def filtered(project: Project, shard: str) -> Filtered:
    """Return the filters of a shard's source, and what is to run the files that pass."""
    return Filtered(_source(project, shard).filters, _python(project))


def transformed(project: Project, _shard: str) -> Transformed:
    """Return how files are rewritten."""
    chat = project.settings.chat
    prompts = _prompts(project, "transform", "transform_repair")
    model = Model(chat.model, chat.transform, prompts, attempts=chat.transform_attempts, form=_form(chat))
    return Transformed(model, executed(project))


def sampled(project: Project, shard: str) -> Sampled:
    """Return how pairs are sampled."""
    return Sampled(project.settings.sampling, executed(project), _source(project, shard).pairs_per_function)


def prompted(project: Project, _shard: str) -> Prompts:
    """Return the prompts of both directions."""
    return _prompts(project, *(f"predict_{direction}" for direction in DIRECTIONS))


def traced(project: Project, _shard: str) -> Traced | None:
    """Return how pairs are traced; None where they are not."""
    traces = project.settings.traces
    if not traces.enabled:
        return None
    bounds = TraceBounds(traces.max_events, traces.max_bytes)
    return Traced(bounds, executed(project), project.prompt("step_question"), traces.questions_per_kind)


def rated(project: Project, shard: str) -> Rated | None:
    """Return who answers tasks several times; None where nobody does."""
    chat = project.settings.chat
    if not chat.samples_per_task:
        return None
    return Rated(Model(chat.model, chat.predict, {}, form=_form(chat)), chat.samples_per_task, judged(project, shard))


def predicted(project: Project, _shard: str) -> Model | Walked:
    """Return who predicts, and how."""
    chat = project.settings.chat
    if chat.teacher == "trace":
        return Walked()
    return Model(chat.model, chat.predict, {}, form=_form(chat))


def judged(project: Project, _partition: str) -> Judged:
    """Return how answers are judged."""
    rule = project.settings.judging.rule
    return Judged(rule, executed(project), rule_version(rule))


def revised(project: Project, shard: str) -> Revised:
    """Return who revises, how often, and how that is judged."""
    chat = project.settings.chat
    turns = 0 if chat.teacher == "trace" else chat.revision_turns
    model = Model(chat.model, chat.predict, _prompts(project, "revise"), turns=turns, form=_form(chat))
    return Revised(model, judged(project, shard))


def collected(project: Project, _partition: str) -> Collected:
    """Return which conversations are collected."""
    return Collected(project.sources.instruction_data, project.settings.split)


def assembled(project: Project, name: str) -> Assembled:
    """Return what decides the rows of a training set.

    Raises:
        RecipeError: it takes what comes from traces, and there are none; a benchmark that it names is not there.
    """
    recipe, settings = project.recipe(name), project.settings
    needs = "data.state_lines" if recipe.data.state_lines else "the kind `steps` of a mix"
    takes_steps = any("steps" in stage.mix for stage in recipe.stages.values())
    if (recipe.data.state_lines or takes_steps) and not settings.traces.enabled:
        raise RecipeError(
            f"recipe {name!r}: {needs} needs traces: set `traces: {{enabled: true}}` in codeio.yaml, or remove it"
        )
    paths = sorted((project.sql_folder / "transforms").glob("*.sql"))
    warehouse = project.open_warehouse()
    marked = marked_out(recipe, warehouse, project.sql)
    return Assembled(
        recipe_parameters(recipe, settings.phrases, settings.split, project.prompt, marked),
        mixes_of(recipe),
        {f"transforms/{path.name}": without_comments(path.read_text("utf-8")) for path in paths},
        withheld_by(recipe, warehouse, project.benchmarks.leakage),
    )


def tokenised(project: Project, name: str) -> Tokenised:
    """Return what decides a recipe's rows as tokens."""
    recipe = project.recipe(name)
    stages = {str(number): stage for number, stage in recipe.stages.items()}
    return Tokenised(recipe.base_model, recipe.revision, stages, recipe.system_messages == "fold", recipe.launch)


def trained_in_stage1(project: Project, name: str) -> Trained:
    """Return what decides the checkpoint of stage 1."""
    return _trained(project, name, 1)


def trained_in_stage2(project: Project, name: str) -> Trained:
    """Return what decides the checkpoint of stage 2."""
    return _trained(project, name, 2)


def evaluated(project: Project, name: str) -> Evaluated:
    """Return how a recipe's models are compared."""
    recipe = project.recipe(name)
    fold = recipe.system_messages == "fold"
    return Evaluated(recipe.evaluation, recipe.base_model, recipe.revision, judged(project, name), fold)


def benchmarked(project: Project, name: str) -> Benchmarked:
    """Return what a benchmark's questions come from."""
    source = project.benchmarks.sources.get(name)
    place = local_place(name, project.benchmarks, project.root)
    files = "" if place is None else content_of(place, BENCHMARKS[name].files)
    return Benchmarked(source, files, BENCHMARKS[name].prompt_version)


def asked(project: Project, name: str) -> Asked:
    """Return who is asked the questions of benchmarks."""
    recipe, settings = project.recipe(name), project.benchmarks
    how = settings.model_dump(include={"benchmarks", "limit", "max_new_tokens", "max_length", "generation"})
    return Asked(**how, base_model=recipe.base_model, revision=recipe.revision)


def marked(project: Project, name: str) -> Marked:
    """Return by which scorers answers are judged."""
    scorers = {name: benchmark.scorer_version for name, benchmark in BENCHMARKS.items()}
    return Marked(scorers, project.recipe(name).base_model, _python(project))


def searched(project: Project, _name: str) -> Leakage:
    """Return what counts as a leak."""
    return project.benchmarks.leakage


def compared(project: Project, _partition: str) -> Compared:
    """Return which recipe is compared with which, and with what of the paper."""
    readable = {name: recipe for name in project.recipe_names() if (recipe := _readable(project, name)) is not None}
    plain = {recipe.base_model: name for name, recipe in readable.items() if not _takes_codeio(recipe)}
    return Compared(
        {name: plain.get(recipe.base_model) for name, recipe in readable.items() if _takes_codeio(recipe)},
        {name: f"stage{max(recipe.stages)}" for name, recipe in readable.items()},
        {name: recipe.reported for name, recipe in readable.items() if recipe.reported},
    )


def _takes_codeio(recipe: Recipe) -> bool:
    return any("codeio" in stage.mix for stage in recipe.stages.values())


def _readable(project: Project, name: str) -> Recipe | None:
    """Return a recipe, or None where its file cannot be used: that is for its own steps to say."""
    try:
        return project.recipe(name)
    except RecipeError:
        return None


def reviewed(project: Project, _shard: str) -> CotRules:
    """Return what counts as a flaw."""
    return project.settings.quality.cot


def reported(project: Project, _partition: str) -> Mapping[str, str]:
    """Return the queries of the reports: file -> text."""
    return {path.name: path.read_text("utf-8") for path in sorted((project.sql_folder / "reports").glob("*.sql"))}


def audited(project: Project, _partition: str) -> Audited:
    """Return which published data is audited, and within which limits."""
    setting = project.settings.quality.published
    path = project.root / setting if setting else None
    content = path.read_bytes() if path is not None and path.is_file() else None
    return Audited(None if content is None else sha256_hex(content), executed(project))


def _trained(project: Project, name: str, stage: int) -> Trained:
    recipe = project.recipe(name)
    stages = {int(number): of for number, of in recipe.stages.items()}
    return Trained(recipe.base_model, recipe.revision, stages.get(stage), recipe.system_messages == "fold")


def _source(project: Project, shard: str) -> Source:
    return project.source(shard.rsplit("-", 1)[0])


def _form(chat: Chat) -> Mapping[str, object]:
    return chat.form.model_dump(mode="json", exclude_defaults=True, include={"extra_body", "system_role"})


def executed(project: Project) -> Executed:
    """Return how programs run.

    Raises:
        SettingsError: the Python that codeio.yaml names cannot run them, or lacks packages that it names.
    """
    return Executed(project.settings.sandbox.limits, _python(project, project.settings.sandbox.packages))


def _python(project: Project, packages: Iterable[str] = ()) -> Interpreter:
    try:
        return find_interpreter(project.settings.sandbox.python, packages)
    except SandboxUnavailable as error:
        raise SettingsError(f"codeio.yaml: {error}") from None


def _prompts(project: Project, *names: str) -> Prompts:
    return {name: project.prompt(name) for name in names}
