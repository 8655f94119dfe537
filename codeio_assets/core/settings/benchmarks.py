"""What a user edits about benchmarks: `benchmarks.yaml`.

What does not live here: the benchmarks (`benchmarks`), where answers are generated (`running.benchmarking`).
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from codeio_assets.core.settings.models import Part, Relative, Texts


class Leakage(Part):
    """What counts as a leak."""

    n: int = Field(13, ge=2, le=100, description="words in a row (CodeI/O, sec. 4.7)")
    cjk: Literal["characters", "words"] = Field("characters", description="what a word is in CJK text")


class BenchmarkSettings(Part):
    """Which questions the models of every recipe are asked, and how."""

    folder: Relative = Field(
        Path("samples/benchmarks"), description="data in the authors' formats, from the project's folder"
    )
    benchmarks: Texts | None = Field(None, description="names; null = every one whose data is in the folder")
    limit: int | None = Field(None, ge=1, description="the first questions of each benchmark; null = all")
    max_new_tokens: int = Field(2_048, ge=1, description="tokens of an answer at most")
    max_length: int = Field(8_192, ge=8, description="tokens of prompt and answer; a longer prompt is not answered")
    batch_size: int = Field(8, ge=1, description="prompts that are answered at once by transformers")
    generation: Literal["transformers", "vllm"] = Field(
        "transformers", description="vllm starts a server per model, as chat.vllm of codeio.yaml says"
    )
    leakage: Leakage = Leakage.model_validate({})
