"""Recipes: what a model is trained on and how, as YAML files that people edit.

What lives here: the recipe's fields, their rules, reading a folder of them with errors a person can act on. A recipe
may extend another one of its folder, and then says only what differs.
What does not: choosing rows for a training set (`core.method.assembly`) and training (`training`).

Source: CodeI/O, sec. 3.1 (schedules), tables 2-4 and figures 4-5 (data variants and formats).
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from codeio_assets.core.settings.project import Licenses, Names
from codeio_assets.core.settings.strict_yaml import StrictYamlError, YamlDocument, explain, read_yaml
from codeio_assets.core.values.canonical import Json

Kind = Literal["codeio", "instruction", "steps"]
Variant = Literal["full", "input_only", "output_only", "correct_only", "wrong_to_ground_truth"]
RevisionText = Literal["own", "unrelated"]
SampleFormat = Literal[
    "query_code_to_cot", "query_to_cot", "code_to_cot", "query_to_code_cot", "query_to_code"
]  # fmt: skip
Schedule = Literal["constant", "cosine_with_min_lr"]
StageNumber = Literal[1, 2]
OF_ITS_OWN = ("name", "extends", "description", "reported")
"""Fields that a recipe never takes from the one it extends."""
Content = dict[Hashable, object]
"""A mapping of a YAML file."""


class RecipeError(ValueError):
    """A recipe cannot be read; the message names the file, the line or field, the bad value and the fix."""


class _Part(BaseModel):
    """Base of the parts of a recipe: unknown fields are errors, nothing is coerced, nothing changes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Sources(_Part):
    """Which sources of raw code take part; an empty `include` means all of them."""

    include: Names = ()
    exclude: Names = ()

    def allows(self, source: str) -> bool:
        """Tell whether samples of a source take part."""
        return source not in self.exclude and (not self.include or source in self.include)


class DataRecipe(_Part):
    """Which CodeI/O samples take part. The options combine; a task that several leave out names the first.

    Source: `variant` table 2, `fraction` figure 4, `pairs_fraction` figure 4, `sources` table 8,
    `revision_turns` figure 5 (0 = CodeI/O, 1 = CodeI/O++).
    """

    variant: Variant = "full"
    fraction: float = Field(1.0, gt=0, le=1, description="share of the functions that take part")
    pairs_per_function: int | None = Field(None, ge=1, description="the first k pairs; null keeps all")
    pairs_fraction: float = Field(1.0, gt=0, le=1, description="share of a function's pairs, rounded, at least one")
    sources: Sources = Sources()
    licenses: Licenses | None = Field(None, description="null takes every licence")
    pass_rate: tuple[float, float] | None = Field(
        None,
        strict=False,
        description="lowest and highest share of right sampled answers; null takes all",
    )
    state_lines: Literal["right"] | None = Field(
        None, description="`right` leaves out tasks with a state line that is wrong or was not checked"
    )
    revision_turns: int = Field(1, ge=0, description="turns after the first response")
    revision_text: RevisionText = Field(
        "own", description="unrelated = a control: what follows turn 1 is text of another function, as long"
    )

    exclude: Literal["marked"] | None = Field(
        None, description="`marked` leaves out what people marked as excluded; null leaves marks alone"
    )

    without_leaks_of: Names = Field(
        (), description="benchmarks, e.g. [leetcode_o]: functions that share an n-gram with a question are left out"
    )

    @model_validator(mode="after")
    def _pass_rates_are_a_range(self) -> Self:
        if self.pass_rate and not 0 <= self.pass_rate[0] <= self.pass_rate[1] <= 1:
            raise ValueError("give `pass_rate` a lowest and a highest share between 0 and 1, e.g. [0.1, 0.9]")
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_used(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out later fields at their default: the fingerprint of what is made already stays as it is."""
        written: dict[str, object] = serialise(self)
        later = {"pass_rate", "exclude", "without_leaks_of", "state_lines"}
        return {name: value for name, value in written.items() if name not in later or value}

    @model_validator(mode="after")
    def _a_control_has_something_to_replace(self) -> Self:
        if self.revision_text == "unrelated" and self.revision_turns == 0:
            raise ValueError("remove `revision_text`, or set revision_turns: 1 or more")
        return self


class Lora(_Part):
    """Low-rank adapters on all linear layers instead of all weights; they are merged into the finished checkpoint."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0, description="scale; the update counts alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1)


class AuditLimits(_Part):
    """What the token audit of a stage may find; a stage beyond a limit is refused before its first step."""

    max_truncated_ratio: float = Field(0.1, ge=0, le=1, description="rows that are cut at max_length")
    max_lost_ratio: float = Field(0.1, ge=0, le=1, description="completion tokens that are cut off")
    max_untrainable_ratio: float = Field(0.1, ge=0, le=1, description="rows whose prompt alone fills max_length")
    max_without_end_ratio: float = Field(0.1, ge=0, le=1, description="rows whose end of turn is not learnt")
    max_padding_ratio: float = Field(1.0, ge=0, le=1, description="positions that hold no sample")
    max_epochs: float | None = Field(None, gt=0, description="how often a row may be seen; null sets no limit")


class Evaluation(_Part):
    """How base model and checkpoints are compared on the held-out side; decides nothing about them."""

    tasks_per_direction: int = Field(100, ge=0, description="held-out prompts to answer, per direction")
    loss_rows: int = Field(100, ge=0, description="held-out rows whose loss is taken, per direction and kind")
    max_new_tokens: int = Field(1024, ge=1)
    max_length: int = Field(4096, ge=8, description="tokens per row for the loss, prompt included")
    batch_size: int = Field(8, ge=1, description="prompts that are answered at once by transformers")
    generation: Literal["transformers", "vllm"] = Field(
        "transformers", description="vllm starts a server per model, as chat.vllm of codeio.yaml says"
    )


Attention = Literal["sdpa", "varlen", "flex", "flash", "eager"]


class StageRecipe(_Part):
    """One stage of supervised fine-tuning. Exactly one of `epochs` and `max_steps` is given."""

    mix: dict[Kind, float] = Field(description="kind -> share of that kind's samples that take part, 0..1")
    learning_rate: float = Field(gt=0, le=1)
    lr_schedule: Schedule = "constant"
    min_learning_rate: float | None = Field(None, gt=0, description="floor of cosine_with_min_lr")
    epochs: float | None = Field(None, gt=0)
    max_steps: int | None = Field(None, ge=1)
    global_batch_size: int = Field(1024, ge=1, description="sequences per optimiser step, over all devices")
    per_device_batch_size: int = Field(1, ge=1, description="sequences per device and forward pass")
    max_length: int = Field(4096, ge=8, description="tokens per sequence, prompt included")
    warmup_steps: int = Field(0, ge=0)
    packing: bool = Field(False, description="several samples per sequence, up to `max_length` tokens")
    padding_free: bool = Field(False, description="sequences of a forward pass end to end instead of padded")
    attention: Attention | Literal["auto"] = Field("auto", description="kernel; auto takes the fastest that is right")
    untrainable_rows: Literal["error", "drop"] = Field(
        "error", description="what becomes of rows whose prompt alone fills max_length"
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations instead of keeping them")
    checkpointed_layers: int = Field(1, ge=1, description="recompute every n-th layer only, where that is enough")
    activation_offloading: bool = Field(False, description="keep activations in the host's memory; slower")
    bf16_weights: bool = Field(False, description="bfloat16 weights beside a float32 copy that is updated")
    compile: bool = Field(False, description="layers compiled by torch.compile")
    lora: Lora | None = Field(None, description="adapters instead of all weights; null trains all")
    checkpoint_every_steps: int = Field(50, ge=1)
    keep_last_checkpoints: int = Field(2, ge=2, description="one may be half written when a run is killed")
    validation_rows: int = Field(256, ge=0, description="held-out rows used for the loss before and after")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _length_is_unambiguous(self) -> Self:
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("give exactly one of `epochs` and `max_steps`")
        return self

    @model_validator(mode="after")
    def _schedule_is_complete(self) -> Self:
        if self.lr_schedule == "constant" and self.min_learning_rate is not None:
            raise ValueError("remove `min_learning_rate`, or set lr_schedule: cosine_with_min_lr")
        if self.lr_schedule == "cosine_with_min_lr":
            if self.min_learning_rate is None:
                raise ValueError("add `min_learning_rate`, the floor of cosine_with_min_lr")
            if self.min_learning_rate > self.learning_rate:
                raise ValueError("make `min_learning_rate` at most `learning_rate`")
        return self

    @model_validator(mode="after")
    def _mix_has_shares(self) -> Self:
        if not self.mix or any(not 0 < share <= 1 for share in self.mix.values()):
            raise ValueError("give `mix` at least one kind, each with a share above 0 and at most 1")
        return self

    @model_validator(mode="after")
    def _settings_go_together(self) -> Self:
        if self.bf16_weights and self.lora:
            raise ValueError("remove `bf16_weights` where adapters are trained: they are small, and stay float32")
        if self.packing and self.padding_free:
            raise ValueError("give `packing` or `padding_free`, not both: packed sequences have no padding")
        if self.checkpointed_layers > 1 and not self.gradient_checkpointing:
            raise ValueError("remove `checkpointed_layers`, or set `gradient_checkpointing: true`")
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.global_batch_size % self.per_device_batch_size:
            raise ValueError("make `global_batch_size` a multiple of `per_device_batch_size`")
        return self


class Recipe(_Part):
    """A recipe: its name is the file's stem and the key of its partition.

    `base_model` is a hub id, a local path, or `package:<name>` for weights that a Python package carries;
    `revision` pins a hub commit or the package's version.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    description: str = ""
    reported: dict[str, float | Literal["plotted"]] = Field(
        default_factory=dict, description="where the paper reports it -> its average of 14 benchmarks"
    )
    base_model: str = Field(min_length=1)
    revision: str | None = None
    data: DataRecipe = Field(default_factory=lambda: DataRecipe.model_validate({}))
    format: SampleFormat = "query_code_to_cot"
    stages: dict[StageNumber, StageRecipe] = Field(min_length=1)
    limits: AuditLimits = Field(default_factory=lambda: AuditLimits.model_validate({}))
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation.model_validate({}))
    system_messages: Literal["keep", "fold"] = Field(
        "keep", description="fold: system text opens the first user message, for chat templates without system prompts"
    )
    launch: str = Field("cpu", pattern=r"^[a-z0-9][a-z0-9_]*$", description="file under training/launch")

    @field_validator("stages", mode="before")
    @classmethod
    def _stages_from_json(cls, stages: object) -> object:
        if not isinstance(stages, dict):
            return stages
        numbers: dict[Hashable, int] = {"1": 1, "2": 2}  # JSON has no integer keys
        return {numbers.get(key, key): value for key, value in cast("Content", stages).items()}

    def substance(self) -> dict[str, Json]:
        """Return what decides rows and weights as JSON: all fields but those that only inform, limit or measure."""
        informing = {"description", "reported", "limits", "evaluation"}
        unused = {"system_messages"} if self.system_messages == "keep" else set[str]()
        return self.model_dump(mode="json", exclude=informing | unused)

    def stage(self, number: int) -> StageRecipe:
        """Return a stage.

        Raises:
            RecipeError: the recipe has no such stage.
        """
        for key, stage in self.stages.items():
            if key == number:
                return stage
        raise RecipeError(f"recipe {self.name!r} has no stage {number}: it has {sorted(self.stages)}")


def load_recipes(folder: Path) -> dict[str, Recipe]:
    """Return name -> recipe for each `*.yaml` in a folder, sorted by name.

    Raises:
        RecipeError: the folder holds no recipe, or one of them cannot be read.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise RecipeError(f"{folder}: holds no *.yaml file. Add a recipe, or point to the right folder.")
    return {path.stem: load_recipe(path) for path in paths}


def load_recipe(path: Path) -> Recipe:
    """Return the recipe in a file, put over the one that it extends, if it does.

    Raises:
        RecipeError: not YAML, an unknown field, a bad value, a name that is not the file's stem, or `extends` names
            no recipe of the folder or leads back to itself.
    """
    document, content = _read(path)
    data = {**_with_parents(path, document, content, (path.stem,)), "name": content.get("name", path.stem)}
    if data["name"] != path.stem:
        raise RecipeError(
            f"{path}:{document.line(('name',))}: `name` is {data['name']!r}, but a recipe is named after its "
            f"file. Remove the line, or rename the file."
        )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(explain(document, error)) from None


def _read(path: Path) -> tuple[YamlDocument, Content]:
    try:
        document = read_yaml(path)
    except StrictYamlError as error:
        raise RecipeError(str(error)) from error
    content = cast("Content | list[object] | str | None", document.data)
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: is not a mapping. Write `field: value` lines, as in recipes/demo.yaml.")
    return document, content


def _with_parents(path: Path, document: YamlDocument, content: Content, seen: tuple[str, ...]) -> Content:
    """Return a recipe's content as a JSON merge patch (RFC 7396) over its parent's: `null` takes a field away."""
    parent = cast("str | None", content.get("extends"))
    own = {key: value for key, value in content.items() if key != "extends"}
    if parent is None:
        return own
    where = f"{path}:{document.line(('extends',))}: `extends` is {parent!r}"
    if parent in seen:
        raise RecipeError(f"{where}, which leads back to itself. Remove the line.")
    file = path.with_name(f"{parent}.yaml")
    if not file.is_file():
        raise RecipeError(f"{where}, but {file} does not exist. Name a recipe of this folder, without .yaml.")
    base_document, base = _read(file)
    merged = _with_parents(file, base_document, base, (*seen, parent))
    return _patched({key: value for key, value in merged.items() if key not in OF_ITS_OWN}, own)


def _patched(base: object, patch: Content) -> Content:
    merged = dict(cast("Content", base)) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            is_part = isinstance(value, dict)
            merged[key] = _patched(merged.get(key), cast("Content", value)) if is_part else value
    return merged
