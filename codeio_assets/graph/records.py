"""What besides its tables decides a step, as frozen records, and their one form for hashing.

What does not live here: making them of a project (`graph.uses`), the steps that use them (`graph.steps`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import BaseModel

from codeio_assets.core.method.assembly import Parameters, Withheld
from codeio_assets.core.method.trace_teacher import MODEL_ID, STEPS_VERSION, TEACHER_VERSION
from codeio_assets.core.method.verdicts import FEEDBACK_VERSION
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.benchmarks import BenchmarkSource
from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.settings.project import (
    ExecutionLimits,
    Filters,
    InstructionSource,
    Reading,
    Sampling,
    Split,
)
from codeio_assets.core.settings.recipes import Evaluation, StageRecipe
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import Rule
from codeio_assets.sandbox.interpreters import Interpreter
from codeio_assets.sandbox.tracing import TraceBounds

Prompts = Mapping[str, Prompt]


@dataclass(frozen=True)
class Model:
    """The model that is asked, by the name in codeio.yaml, how, and with which prompts."""

    name: str
    call: ModelCall
    prompts: Prompts
    attempts: int = 1
    turns: int = 0
    form: Mapping[str, object] = field(default_factory=dict[str, object])
    """How what is asked differs from the plain form: extra fields of the body, the role of system texts."""


@dataclass(frozen=True)
class Walked:
    """The teacher that needs no model, by the version of its texts."""

    teacher: str = MODEL_ID
    version: str = TEACHER_VERSION


@dataclass(frozen=True)
class Executed:
    """Within which limits programs run, and which Python runs them; its version counts, not where it lies."""

    limits: ExecutionLimits
    python: Interpreter


@dataclass(frozen=True)
class Judged:
    """How answers are judged: the rule, and how a predicted input is executed."""

    rule: Rule
    executed: Executed
    rule_version: str
    feedback: str = FEEDBACK_VERSION


@dataclass(frozen=True)
class Ingested:
    """How the items of a shard are read, and which of them were taken down."""

    reading: Reading
    taken_down: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """What a model is asked about raw files; the sampling of its calls is in the filters."""

    filters: Filters
    model: str
    prompts: Prompts
    executed: Executed


@dataclass(frozen=True)
class Transformed:
    """Who rewrites files into functions, and how these must run."""

    model: Model
    executed: Executed


@dataclass(frozen=True)
class Sampled:
    """How pairs of a shard are sampled and executed, and how many a function may have."""

    sampling: Sampling
    executed: Executed
    pairs_per_function: int


@dataclass(frozen=True)
class Traced:
    """How calls are followed and where traces are cut, and what is asked about their steps and answered."""

    bounds: TraceBounds
    executed: Executed
    prompt: Prompt
    questions_per_kind: int
    teacher: str = STEPS_VERSION


@dataclass(frozen=True)
class Filtered:
    """What is left out of raw files, and which Python must be able to run the others."""

    filters: Filters
    python: Interpreter


@dataclass(frozen=True)
class Rated:
    """Who answers each task how often, and how the answers are judged."""

    model: Model
    samples: int
    judged: Judged


@dataclass(frozen=True)
class Revised:
    """Who revises, and how the revisions are judged."""

    model: Model
    judged: Judged


@dataclass(frozen=True)
class Collected:
    """Which conversations are collected, and on which side of the split they fall."""

    sources: Mapping[str, InstructionSource]
    split: Split


@dataclass(frozen=True)
class Assembled:
    """What the rows of a training set follow from: the recipe as parameters, the shares of kinds, the SQL itself.

    `withheld` are the questions of benchmarks that may not stand in a sample.
    """

    parameters: Parameters
    mixes: Mapping[str, Mapping[str, float]]
    sql: Mapping[str, str]
    withheld: Withheld | None


@dataclass(frozen=True)
class Trained:
    """What decides a stage's weights besides its rows; `stage` is None where the recipe leaves the stage out."""

    base_model: str
    revision: str | None
    stage: StageRecipe | None
    fold: bool = False


@dataclass(frozen=True)
class Tokenised:
    """What decides a recipe's rows as tokens: whose tokenizer, the stages, and over how many processes they go."""

    base_model: str
    revision: str | None
    stages: Mapping[str, StageRecipe]
    fold: bool
    launch: str


@dataclass(frozen=True)
class Evaluated:
    """How a recipe's models are compared on the held-out side; `fold` puts system texts into prompts."""

    evaluation: Evaluation
    base_model: str
    revision: str | None
    judged: Judged
    fold: bool


@dataclass(frozen=True)
class Audited:
    """The audited file, by content, and how its pairs are executed."""

    file: str | None
    executed: Executed


@dataclass(frozen=True)
class Benchmarked:
    """What decides a benchmark's questions: where they are, by content or revision, and the version of the prompt.

    `source` is None in the folder of all benchmarks; of a dataset on the hub `files` is empty, its revision says it.
    """

    source: BenchmarkSource | None
    files: str
    prompt_version: int


@dataclass(frozen=True)
class Asked:
    """Who is asked which questions of benchmarks, and how: `benchmarks` is None for all that are there."""

    benchmarks: tuple[str, ...] | None
    limit: int | None
    max_new_tokens: int
    max_length: int
    generation: str
    base_model: str
    revision: str | None


@dataclass(frozen=True)
class Compared:
    """What the table of results compares.

    `baselines`: for each recipe that trains on CodeI/O data, the one of the same base model that trains on instruction
    data alone, if there is one. `last`: the model that a recipe ends with. `reported`: where the paper has a recipe,
    with its average there.
    """

    baselines: Mapping[str, str | None]
    last: Mapping[str, str]
    reported: Mapping[str, Mapping[str, float | str]]


@dataclass(frozen=True)
class Marked:
    """Which versions of the benchmarks' scorers judge, what runs programs for them, and what training began from."""

    scorers: Mapping[str, int]
    base_model: str
    python: Interpreter


def as_json(value: object) -> Json:
    """Return a record as JSON, for hashing: prompts by their hash, Python and packages by version, the rest by fields.

    Raises:
        TypeError: the record holds something that has no one form.
    """
    if isinstance(value, Prompt):
        return value.sha256
    if isinstance(value, Interpreter):
        extras: Json = {package.name: package.version for package in value.extras}
        return {"version": value.minor, "packages": extras} if extras else value.minor
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in cast("tuple[object, ...] | list[object]", value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no form that can be hashed")
