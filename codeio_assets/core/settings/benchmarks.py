"""What a user edits about benchmarks: `benchmarks.yaml`.

What does not live here: the benchmarks (`benchmarks`), where answers are generated (`running.benchmarking`).
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from codeio_assets.core.settings.models import Part, Relative, Texts


class Leakage(Part):
    """What counts as a leak."""

    n: int = Field(13, ge=2, le=100, description="words in a row (CodeI/O, sec. 4.7)")
    cjk: Literal["characters", "words"] = Field("characters", description="what a word is in CJK text")


class BenchmarkSource(Part):
    """Where the data of one benchmark is, when it is not in the folder: a path, or rows of a dataset.

    A dataset is a name on the hub or a local folder of one; its rows must have the fields of the authors' own file.
    """

    path: Relative | None = Field(None, description="file or folder, from the project's folder")
    dataset: str | None = None
    revision: str | None = Field(None, description="commit of a dataset on the hub; needed there")
    subsets: Texts = Field((), description="configurations of the dataset, one after the other; none = its only one")
    split: str = "test"
    license: str | None = Field(None, description="as its authors state it; shown beside the questions")
    questions: int | None = Field(None, ge=1, description="how many there must be, those left out among them")
    leave_out: Texts = Field((), description="ids of questions, or of LeetCode-O's problems, that are in the sources")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give exactly one of `path` and `dataset`")
        return self


class BenchmarkSettings(Part):
    """Which questions the models of every recipe are asked, and how."""

    folder: Relative = Field(
        Path("samples/benchmarks"), description="data in the authors' formats, from the project's folder"
    )
    sources: dict[str, BenchmarkSource] = Field(
        default_factory=dict, description="benchmark -> where its data is, if not in the folder"
    )
    benchmarks: Texts | None = Field(None, description="names; null = every one whose data is there")
    limit: int | None = Field(None, ge=1, description="so many questions of each benchmark, drawn by hash; null = all")
    max_new_tokens: int = Field(2_048, ge=1, description="tokens of an answer at most")
    max_length: int = Field(8_192, ge=8, description="tokens of prompt and answer; a longer prompt is not answered")
    batch_size: int = Field(8, ge=1, description="prompts that are answered at once by transformers")
    generation: Literal["transformers", "vllm"] = Field(
        "transformers", description="vllm starts a server per model, as chat.vllm of codeio.yaml says"
    )
    leakage: Leakage = Leakage.model_validate({})
