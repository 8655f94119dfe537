"""What a user edits about data quality: what counts as a flaw, and how often it may occur (`quality` in codeio.yaml).

What lives here: the fields, their defaults and rules. What does not: finding the flaws (`core.method.cot_quality`),
reading the file (`project`), the checks themselves (`checks`).
"""

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from codeio_assets.core.settings.models import Part, Relative

Flaw = Literal[
    "answer_missing",
    "cut_off",
    "refused",
    "too_short",
    "too_long",
    "code_block",
    "copied_code",
    "loop",
    "repeats_previous",
    "contradiction",
    "other_language",
]

FLAWS: Final[dict[Flaw, str]] = {
    "answer_missing": "no readable answer object at the end",
    "cut_off": "the server stopped it (finish reason other than stop)",
    "refused": "the model declines, by the server's word or in the first sentences of a response without an answer",
    "too_short": "less prose before the answer than `min_chars`",
    "too_long": "more prose before the answer than `max_chars`",
    "code_block": "a block of program code, which the prompt forbids",
    "copied_code": "`copied_tokens` tokens in a row that stand in the reference code",
    "loop": "the same passage again and again",
    "repeats_previous": "a revision that says the same as the turn before",
    "contradiction": "the last result that the prose states is not the answer",
    "other_language": "prose in another language than `language`",
}
"""Flaw of a chain of thought -> what it means, in the order in which they are shown."""


class Tolerance(Part):
    """The share of responses that may have a flaw; null = any."""

    warn_above: float | None = Field(default=None, ge=0, le=1, description="a larger share fails with a warning")
    block_above: float | None = Field(default=None, ge=0, le=1, description="a larger share stops what comes after")


Tolerances = dict[Flaw, Tolerance]


def _tolerance(warn_above: float, block_above: float | None = None) -> Tolerance:
    return Tolerance(warn_above=warn_above, block_above=block_above)


DEFAULT_TOLERANCES: Final[Mapping[Flaw, Tolerance]] = {
    "answer_missing": _tolerance(0.1),
    "cut_off": _tolerance(0.05),
    "refused": _tolerance(0.01, 0.5),
    "too_short": _tolerance(0.05),
    "too_long": _tolerance(0.05),
    "code_block": _tolerance(0.05),
    "copied_code": _tolerance(0.05, 0.9),
    "loop": _tolerance(0.02, 0.5),
    "repeats_previous": _tolerance(0.1),
    "contradiction": _tolerance(0.02),
    "other_language": _tolerance(0.01, 0.5),
}
"""Warnings at what a good teacher stays below; a stop only where what is left would teach a model to do harm to itself.
Wrong and unanswered responses stay in the training data of the method (CodeI/O, sec. 2.3), so they only warn."""


class CotRules(Part):
    """What counts as a flaw of a chain of thought; lengths in characters of the prose, the answer not counted."""

    min_chars: int = Field(100, ge=0)
    max_chars: int = Field(20_000, ge=1)
    copied_tokens: int = Field(40, ge=8, description="words and signs in a row that count as copied from the code")
    loop_repeats: int = Field(4, ge=2, description="times that a passage comes one after the other")
    loop_chars: int = Field(120, ge=1, description="characters that the repeated passages take together, at least")
    same_share: float = Field(0.9, gt=0, le=1, description="likeness from which a revision repeats the turn before")
    language: Literal["english", "any"] = "english"

    @model_validator(mode="after")
    def _some_length_is_left(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError("make `min_chars` at most `max_chars`")
        return self


class Yields(Part):
    """What share of its items a step is expected to keep, per shard; less is a warning, and nothing at all blocks.

    Defaults lie well below what real sources and teachers give, so that a warning means that something is broken.
    """

    min_items: int = Field(10, ge=1, description="fewer items are not judged by their share")
    eligible_code_files: float | None = Field(0.2, ge=0, le=1, description="of the raw files; null = any")
    unified_functions: float | None = Field(0.2, ge=0, le=1, description="of the eligible files; null = any")
    io_pairs: float | None = Field(0.3, ge=0, le=1, description="of the functions, those with pairs; null = any")
    verdicts: float | None = Field(
        0.2, ge=0, le=1, description="of the answers, those with a readable value; null = any"
    )

    def parameters(self) -> dict[str, float | None]:
        """Return what SQL checks name: `min_items`, and `yield_<asset>` for each share."""
        shares = self.model_dump(exclude={"min_items"})
        return {"min_items": self.min_items, **{f"yield_{asset}": share for asset, share in shares.items()}}


class Quality(Part):
    """How good data must be, where rules that hold for every row are not enough.

    A tolerance that is not given is the default; those of a model go before the general ones, those of a source before
    those of a model.
    """

    min_rows: int = Field(10, ge=1, description="fewer responses of a model and source are not judged by their share")
    cot: CotRules = Field(default_factory=lambda: CotRules.model_validate({}))
    tolerances: Tolerances = Field(default_factory=dict[Flaw, Tolerance])
    models: dict[str, Tolerances] = Field(default_factory=dict, description="other tolerances, by model")
    sources: dict[str, Tolerances] = Field(default_factory=dict, description="other tolerances, by source")
    yields: Yields = Field(default_factory=lambda: Yields.model_validate({}))
    source_yields: dict[str, Yields] = Field(default_factory=dict, description="other expectations, by source")
    repeated_pairs: int = Field(20, ge=0, description="stored pairs of a shard that are executed again")
    repeated_verdicts: int = Field(50, ge=0, description="verdicts of a shard that are judged again")
    seed: int = Field(0, description="decides which pairs and verdicts")
    max_degenerate_ratio: float = Field(0.1, ge=0, le=1, description="share of functions with one output that warns")
    max_too_long_ratio: float = Field(0.05, ge=0, le=1, description="share of samples beyond max_length that warns")
    max_drift: float = Field(0.1, ge=0, le=1, description="change of the correct rate from version to version")
    compared_versions: int = Field(5, ge=1, description="earlier versions that the correct rate is compared with")
    published: Relative | None = Field(
        None, description="published CodeI/O-style functions to audit, JSONL, relative to codeio.yaml"
    )

    def yields_of(self, source: str) -> Yields:
        """Return what a source is expected to give."""
        return self.source_yields.get(source, self.yields)

    def tolerance(self, flaw: Flaw, model: str, source: str) -> Tolerance:
        """Return the tolerance of a flaw for a model and source."""
        found: dict[str, object] = {}
        levels = (DEFAULT_TOLERANCES, self.tolerances, self.models.get(model, {}), self.sources.get(source, {}))
        for level in levels:
            given = level.get(flaw)
            if given is not None:
                found |= {name: getattr(given, name) for name in given.model_fields_set}
        return Tolerance.model_validate(found)
