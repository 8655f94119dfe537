"""What a user edits besides recipes: `sources.yaml` (raw code, instruction data) and `codeio.yaml` (models, limits).

What lives here: the fields, their defaults and rules, and reading the two files. What does not: the parts about models
(`models`) and data quality (`quality`), looking for files (`sources`), secrets (environment only).
"""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import (
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails

from codeio_assets.core.settings.benchmarks import BenchmarkSettings
from codeio_assets.core.settings.models import Chat, Part, Relative
from codeio_assets.core.settings.models import ModelCall as ModelCall
from codeio_assets.core.settings.quality import Quality
from codeio_assets.core.settings.strict_yaml import StrictYamlError, YamlDocument, explain, explain_details, read_yaml


class SettingsError(ValueError):
    """A settings file cannot be used; the message names the file, the line or field, the bad value and the fix."""


Names = Annotated[tuple[str, ...], Field(strict=False)]  # YAML has no tuples, so a list is taken


class Licenses(Part):
    """Which licences of raw files take part, compared without regard to case."""

    allow: Names = Field(min_length=1, description="as the sources state them, e.g. mit, apache-2.0")
    allow_unknown: bool = Field(False, description="whether files whose licence is not stated take part")


class CategoryFilter(Part):
    """Asks a model what each file is about and drops what is easy or no reasoning.

    Source: CodeI/O, sec. 2.1, PyEdu-R: *algorithms* and *non-reasoning* are dropped.
    """

    drop: Names = ("algorithms", "non_reasoning")
    call: ModelCall = Field(default_factory=lambda: ModelCall.model_validate({"temperature": 0.0, "max_tokens": 64}))


class DifficultyFilter(Part):
    """Lets a model complete a function of each file, executes it, and drops what is too easy or too hard.

    Source: CodeI/O, sec. 2.1, CodeMix: a success rate between 10% and 90%.
    """

    trials: int = Field(10, ge=1, description="completions per file")
    min_success: float = Field(0.1, ge=0, le=1)
    max_success: float = Field(0.9, ge=0, le=1)
    inputs: int = Field(5, ge=1, description="inputs on which a completion must do what the original does")
    call: ModelCall = Field(default_factory=lambda: ModelCall.model_validate({"max_tokens": 1_024}))

    @model_validator(mode="after")
    def _some_rate_is_left(self) -> Self:
        if self.min_success > self.max_success:
            raise ValueError("make `min_success` at most `max_success`")
        return self


class Filters(Part):
    """Which raw files can become functions; lengths in characters, whitespace at the ends not counted."""

    min_chars: int = Field(100, ge=0)
    max_chars: int = Field(12_000, ge=1)
    exact_duplicates: bool = Field(True, description="drop a file with the tokens of an earlier one of any source")
    near_duplicates: bool = Field(False, description="drop a file that is near to an earlier one of any source")
    licenses: Licenses | None = Field(None, description="null takes every licence")
    categories: CategoryFilter | None = Field(None, description="null asks no model")
    difficulty: DifficultyFilter | None = Field(None, description="null asks no model")

    @property
    def ask_a_model(self) -> bool:
        """Whether some filter needs labels of a model."""
        return self.categories is not None or self.difficulty is not None

    @model_validator(mode="after")
    def _some_length_is_left(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError("make `min_chars` at most `max_chars`")
        return self


class Fields(Part):
    """Names of the fields of a JSONL or Parquet row; null where the rows have none."""

    content: str = "content"
    path: str = "path"
    repository: str | None = None
    license: str | None = None


class Reading(Part):
    """How the items of a source are read."""

    kind: Literal["directory", "jsonl", "parquet", "git", "huggingface"]
    path: Relative | None = Field(None, description="of directory, jsonl and parquet; relative to sources.yaml")
    url: str | None = Field(None, description="of git: an address, or a local path relative to sources.yaml")
    dataset: str | None = Field(None, description="of huggingface: name on the hub, or a local folder")
    dataset_config: str | None = Field(None, description="of huggingface: configuration of the dataset")
    dataset_split: str = Field("train", description="of huggingface")
    revision: str | None = Field(
        None, description="of git and huggingface: a commit; a branch moves, and a rebuild then misses files"
    )
    glob: str = Field("**/*.py", description="which files of a directory or repository")
    fields: Fields = Field(default_factory=lambda: Fields.model_validate({}))
    repository: str | None = Field(None, description="stated for rows that do not name one")
    license: str | None = Field(None, description="stated for rows that do not name one")
    max_bytes: int = Field(1_000_000, ge=1, description="larger files are rejected unread")
    max_lost_ratio: float = Field(
        0.5, ge=0, le=1, description="share of a shard's items that may be gone or changed; more fail the step"
    )

    @model_serializer(mode="wrap")
    def _only_what_decides(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out what decides no row: when a step must fail."""
        return {name: value for name, value in serialise(self).items() if name != "max_lost_ratio"}

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        wanted = {"git": "url", "huggingface": "dataset"}.get(self.kind, "path")
        given = [name for name in ("path", "url", "dataset") if getattr(self, name) is not None]
        if given != [wanted]:
            raise ValueError(
                f"give `{wanted}` and none of the others of path, url, dataset, as kind: {self.kind} wants"
            )
        return self

    @field_validator("url")
    @classmethod
    def _address_is_harmless(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if url.startswith("-") or "::" in url or not url.strip():
            raise ValueError(f"{url!r} is no address of a repository. Write https://..., ssh://... or a path")
        if re.match(r"[a-z+]+://[^/@]*:[^/@]*@", url):
            raise ValueError("take the password out of the address; git asks its own credential helper")
        return url

    @field_validator("revision")
    @classmethod
    def _revision_is_one(cls, revision: str | None) -> str | None:
        if revision is not None and not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._/+-]*", revision):
            raise ValueError(f"{revision!r} is no commit, tag or branch")
        return revision

    @field_validator("glob")
    @classmethod
    def _glob_can_be_followed(cls, glob: str) -> str:
        parts = PurePosixPath(glob).parts
        if not parts or parts[0] == "/" or any("**" in part and part != "**" for part in parts):
            raise ValueError(f"{glob!r} is no pattern relative to `path`. Write one such as **/*.py")
        return glob


class Source(Reading):
    """One source of raw code.

    Source: pairs per function, CodeI/O appendix A (CodeMix 3, PyEdu-R 6, others 10).
    """

    pairs_per_function: int = Field(6, ge=2, le=100)
    shard_size: int = Field(1_000, ge=1)
    filters: Filters = Field(default_factory=lambda: Filters.model_validate({}))


class InstructionSource(Part):
    """Chat conversations for stage 2: a file whose lines or rows have `messages`, or a dataset of a hub that has.

    Source: the paper's instruction data is unpublished; its appendix F uses `allenai/tulu-3-sft-mixture`.
    """

    kind: Literal["jsonl", "parquet", "hub"] = "jsonl"
    path: Relative | None = Field(None, description="of a file, relative to sources.yaml")
    dataset: str | None = Field(None, description="name on the hub, e.g. allenai/tulu-3-sft-mixture")
    dataset_split: str = "train"
    revision: str | None = Field(None, description="commit of the dataset; pin it, or a rebuild may differ")
    limit: int | None = Field(None, ge=1, description="read the first so many conversations only")

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.kind == "hub" and (self.dataset is None or self.path is not None):
            raise ValueError("give `dataset`, the name on the hub, and no `path`")
        if self.kind != "hub" and (self.path is None or self.dataset is not None):
            raise ValueError("give `path`, or set kind: hub")
        return self


class NearDuplicates(Part):
    """How near-duplicates are found among all sources when shards are registered: MinHash signatures in bands.

    A change counts for shards that are registered after it. Two files with `similarity` s are compared with
    probability 1 - (1 - s^rows)^(permutations / rows): at the defaults 99.8% for s = 0.8.
    """

    threshold: float = Field(0.8, gt=0, le=1, description="estimated Jaccard similarity of their shingles")
    shingle_tokens: int = Field(5, ge=1, description="tokens in a row that make one shingle")
    permutations: int = Field(128, ge=16, le=1_024)
    rows_per_band: int = Field(6, ge=1, le=32)


SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class Sources(Part):
    """The content of sources.yaml."""

    sources: dict[SourceName, Source] = Field(min_length=1)
    near_duplicates: NearDuplicates = Field(default_factory=lambda: NearDuplicates.model_validate({}))
    instruction_data: dict[SourceName, InstructionSource] = Field(default_factory=dict)
    _broken: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def broken(self) -> dict[str, str]:
        """Name -> what is wrong, of the sources in the file that cannot be used."""
        return self._broken

    def without(self, broken: dict[str, str]) -> Self:
        """Return these sources as what can be used of a file, with what is wrong with the others."""
        self._broken.update(broken)
        return self


class ExecutionLimits(Part):
    """What a call of untrusted code may use, and how it is kept apart; see `codeio_assets.sandbox`."""

    isolation: Literal["bubblewrap", "none"] = "bubblewrap"
    cpu_s: float = Field(5.0, gt=0, description="CPU seconds per call (CodeI/O, sec. 2.3: 5 s)")
    wall_s: float = Field(30.0, gt=0)
    memory_mib: int = Field(512, ge=64)


class SandboxSettings(ExecutionLimits):
    """How untrusted code runs here: the limits, and how many workers share the machine."""

    workers: int | None = Field(None, ge=1, description="null = one per core, within a container's CPU quota")
    python: str | None = Field(
        None, pattern="^[/~].|^[^/]+$", description="runs programs: a whole path, or a name as python3.12; null = ours"
    )
    packages: Names = Field((), description="what programs may import besides the usual packages, as they write it")

    @property
    def limits(self) -> ExecutionLimits:
        """What decides outcomes, without what only decides how long they take."""
        return ExecutionLimits.model_validate(self.model_dump(include=set(ExecutionLimits.model_fields)))


class Sampling(Part):
    """How pairs are sampled (CodeI/O, sec. 2.3)."""

    draws: int = Field(1_000, ge=1, description="generator calls at most")
    draws_per_round: int = Field(40, ge=1, description="generator calls before looking whether pairs suffice")
    min_pairs: int = Field(2, ge=1)
    keep_degenerate: bool = Field(False, description="keep functions whose pairs all have one output")
    seed: int = 0


class Judging(Part):
    """Which comparison rule gives the verdicts; see `core.values.comparison`."""

    rule: Literal["default", "paper"] = "default"


class Phrases(Part):
    """What joins the turns of a CodeI/O++ sample. Wording of our own; the published one is in CodeI/O, table 11."""

    check_failed: str = "Let me verify this answer. Something is not right:"
    retry: str = "I will go through it again."
    check_passed: str = "Let me verify this answer. It holds, so I am done."


class Split(Part):
    """Share of the functions and conversations that are held out; decided by hash, so growth moves nothing."""

    validation_ratio: float = Field(0.05, ge=0, lt=1)
    test_ratio: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _something_is_trained_on(self) -> Self:
        if self.validation_ratio + self.test_ratio >= 1:
            raise ValueError("make `validation_ratio` and `test_ratio` less than 1 together")
        return self


class Training(Part):
    """Where and how training runs on this machine; decides nothing about the weights."""

    trackers: Names = Field((), description="besides TensorBoard: wandb, mlflow, ... as transformers names them")
    devices: str | None = Field(None, pattern=r"^[0-9A-Za-z,-]*$", description="CUDA_VISIBLE_DEVICES of training")
    launch_options: Names = Field((), description="options of accelerate launch that win over the launch file")
    refuse_too_large: bool = Field(True, description="false only warns when the memory estimate exceeds what is free")


class Traces(Part):
    """Whether the code of each pair is followed line by line, and where a trace is cut."""

    enabled: bool = False
    max_events: int = Field(2_000, ge=1, description="events of a trace at most; the call goes on, its trace says so")
    max_bytes: int = Field(200_000, ge=1_000, le=800_000, description="bytes of a trace at most, roughly")
    questions_per_kind: int = Field(1, ge=0, description="questions about steps, per pair and kind")


class Settings(Part):
    """The content of codeio.yaml."""

    chat: Chat
    sandbox: SandboxSettings = Field(default_factory=lambda: SandboxSettings.model_validate({}))
    sampling: Sampling = Field(default_factory=lambda: Sampling.model_validate({}))
    judging: Judging = Field(default_factory=lambda: Judging.model_validate({}))
    phrases: Phrases = Field(default_factory=lambda: Phrases.model_validate({}))
    split: Split = Field(default_factory=lambda: Split.model_validate({}))
    training: Training = Field(default_factory=lambda: Training.model_validate({}))
    quality: Quality = Field(default_factory=lambda: Quality.model_validate({}))
    traces: Traces = Field(default_factory=lambda: Traces.model_validate({}))

    @model_validator(mode="after")
    def _a_teacher_has_its_traces(self) -> Self:
        if self.chat.teacher == "trace" and not self.traces.enabled:
            raise ValueError("set `traces: {enabled: true}`, which `chat.teacher: trace` tells, or remove `teacher`")
        if self.chat.prompt_version == "state_lines" and not self.traces.enabled:
            raise ValueError("set `traces: {enabled: true}`, which checks state lines, or remove `prompt_version`")
        return self


_Model = TypeVar("_Model", bound=Part)


def load_sources(path: Path) -> Sources:
    """Read sources.yaml.

    A source that cannot be used is in `broken`; the others are used.

    Raises:
        SettingsError: missing, not YAML, unknown field or bad value outside a source, or no source can be used.
    """
    document = _read(path)
    data = cast("dict[str, dict[str, object]]", {} if document.data is None else document.data)
    try:
        return Sources.model_validate(data)
    except ValidationError as error:
        broken = _broken_sources(document, error)
        if not broken or not set(data["sources"]) - set(broken):
            raise SettingsError(explain(document, error)) from None
    usable = {name: of for name, of in data["sources"].items() if name not in broken}
    return Sources.model_validate({**data, "sources": usable}).without(broken)


def _broken_sources(document: YamlDocument, error: ValidationError) -> dict[str, str]:
    """Return source -> what is wrong with it, empty when something else is wrong as well."""
    by_source: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        where = detail["loc"]
        if len(where) < 2 or where[0] != "sources" or "[key]" in where:
            return {}
        by_source.setdefault(str(where[1]), []).append(detail)
    return {name: explain_details(document, details) for name, details in by_source.items()}


def load_settings(path: Path) -> Settings:
    """Read codeio.yaml.

    Raises:
        SettingsError: missing, not YAML, unknown field or bad value.
    """
    return _load(path, Settings)


def load_benchmarks(path: Path) -> BenchmarkSettings:
    """Read benchmarks.yaml; where there is none, the defaults hold.

    Raises:
        SettingsError: not YAML, unknown field or bad value.
    """
    return _load(path, BenchmarkSettings) if path.is_file() else BenchmarkSettings.model_validate({})


def _load(path: Path, model: type[_Model]) -> _Model:
    document = _read(path)
    try:
        return model.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        raise SettingsError(explain(document, error)) from None


def _read(path: Path) -> YamlDocument:
    try:
        return read_yaml(path)
    except StrictYamlError as error:
        raise SettingsError(str(error)) from error
