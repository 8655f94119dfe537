"""What a backfill will ask of language models: requests, tokens, money and hours, from the rows at hand.

What lives here: the arithmetic over frames. Exact where the input of a step is there (its prompts are built and looked
up in the journal), by the averages of what was made before where it is not.
What does not: reading tables (`cli.llm`), prices (`llm.money`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from codeio_assets.core.method.revision import NEEDS_REVISION
from codeio_assets.core.method.transform import request_messages
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.models import Chat, ModelCall
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.llm.counting import CHARS_PER_TOKEN
from codeio_assets.llm.live.wire import formed
from codeio_assets.llm.money import FREE, Price
from codeio_assets.steps.pass_rates import with_seed
from codeio_assets.steps.unified_functions import request

ASSUMED = {
    "transform_share": 0.56,
    "tasks_per_function": 11.5,
    "revised_share": 0.49,
    "attempts_per_file": 1.3,
}
"""Yields of the method (CodeI/O, sec. 2: 56% of files, 5.8 pairs in two directions, 49% wrong at turn 1)."""

ASSUMED_CACHED = {"transform": 0.55, "predict": 0.48, "revise": 0.21}
"""Shares of prompt tokens that a server with prefix caching holds already, when no run and no rows tell better.

Measured on the prompts of the recorded sample, which has 4 requests per function; with 12 it is 0.75 for `predict`.
"""

STEPS = ("transform", "predict", "sample", "revise")
"""`sample` are the further answers to each task that a pass rate is made of."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one step of one shard will ask; `recorded` of the requests are in the journal and cost nothing.

    `cached_tokens` of the prompt tokens should come from the server's prefix cache.
    """

    shard: str
    step: str
    requests: int
    recorded: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    basis: str
    cached_tokens: int = 0


@dataclass(frozen=True)
class Experience:
    """Averages of what is there: frames of all shards, maybe empty."""

    attempts: pl.DataFrame
    predictions: pl.DataFrame
    revisions: pl.DataFrame
    functions: int
    files: int
    tasks: int
    wrong_ratio: float | None
    cached_ratios: Mapping[str, float] = field(default_factory=dict[str, float])

    def tokens(self, step: str, call: ModelCall) -> tuple[float, float, bool]:
        """Return mean prompt and completion tokens of a step's requests, and whether they were observed."""
        rows = {
            "transform": self.attempts,
            "predict": self.predictions,
            "sample": self.predictions,
            "revise": self.revisions,
        }[step]
        answered = rows.filter(pl.col("completion_tokens") > 0)
        if answered.is_empty():
            return 0.0, call.max_tokens / 2, False
        means = answered.select(pl.col("prompt_tokens", "completion_tokens").mean()).row(0)
        return float(means[0]), float(means[1]), True

    @property
    def attempts_per_file(self) -> float:
        """Transform requests per file."""
        files = self.attempts["file_id"].n_unique()
        return len(self.attempts) / files if files else ASSUMED["attempts_per_file"]

    @property
    def functions_per_file(self) -> float:
        """Share of the files that become functions."""
        return self.functions / self.files if self.files else ASSUMED["transform_share"]

    @property
    def tasks_per_function(self) -> float:
        """Prediction tasks per function, of those without pairs too."""
        return self.tasks / self.functions if self.functions else ASSUMED["tasks_per_function"]

    @property
    def revised_ratio(self) -> float:
        """Share of the predictions that get another turn."""
        return ASSUMED["revised_share"] if self.wrong_ratio is None else self.wrong_ratio


@dataclass(frozen=True)
class ShardRows:
    """The rows of a shard that are there; None for what was not made yet.

    `files` counts its items in any case, `samples` the answers to each task that there are for pass rates.
    `pairs_per_function` is the cap of the shard's source.
    """

    shard: str
    files: int
    eligible: pl.DataFrame | None = None
    functions: pl.DataFrame | None = None
    tasks: pl.DataFrame | None = None
    verdicts: pl.DataFrame | None = None
    revised: bool = False
    samples: int = 0
    pairs_per_function: int | None = None


@dataclass(frozen=True)
class Estimator:
    """Estimates shards.

    Args:
        chat: the settings.
        prompt: the transform template.
        experience: averages.
        is_recorded: tells whether a request is in the journal.
        prices: by model.
    """

    chat: Chat
    prompt: Prompt
    experience: Experience
    is_recorded: Callable[[ChatRequest], bool]
    prices: Mapping[str, Price]

    def shard(self, rows: ShardRows) -> list[Estimate]:
        """Return what each step of a shard will ask, in flow order."""
        transform = self._transform(rows)
        functions = len(rows.functions) if rows.functions is not None else self._functions(rows)
        predict, tasks = self._predict(rows, functions)
        sample = [self._sample(rows, tasks)] if self.chat.samples_per_task else []
        return [transform, predict, *sample, self._revise(rows, tasks)]

    def _functions(self, rows: ShardRows) -> float:
        files = len(rows.eligible) if rows.eligible is not None else rows.files
        return files * self.experience.functions_per_file

    def _transform(self, rows: ShardRows) -> Estimate:
        call = self.chat.transform
        further = min(self.experience.attempts_per_file, self.chat.transform_attempts) - 1
        if rows.functions is not None:
            return self._estimate(rows.shard, "transform", 0, 0, 0, call=call, basis="done")
        if rows.eligible is None:
            return self._estimate(
                rows.shard,
                "transform",
                round(rows.files * (1 + further)),
                0,
                None,
                call=call,
                basis="files of the shard",
            )
        asked = [
            request(self.chat.model, request_messages(self.prompt, content), call)
            for content in rows.eligible["content"]
        ]
        return self._exact(rows.shard, "transform", asked, call, further * len(asked))

    def _predict(self, rows: ShardRows, functions: float) -> tuple[Estimate, float]:
        call = self.chat.predict
        if rows.tasks is None:
            tasks = functions * min(self.experience.tasks_per_function, _most_tasks(rows.pairs_per_function))
            if self.chat.teacher == "trace":
                return self._none(rows.shard, "predict"), tasks
            return self._estimate(rows.shard, "predict", round(tasks), 0, None, call=call, basis="average yield"), tasks
        if self.chat.teacher == "trace":
            return self._none(rows.shard, "predict"), len(rows.tasks)
        if rows.verdicts is not None:
            return self._estimate(rows.shard, "predict", 0, 0, 0, call=call, basis="done"), len(rows.tasks)
        prompts = rows.tasks.sort("function_id", "direction", "task_id")["prompt"]
        asked = [request(self.chat.model, [("user", prompt)], call) for prompt in prompts]
        return self._exact(rows.shard, "predict", asked, call, 0), len(rows.tasks)

    def _sample(self, rows: ShardRows, tasks: float) -> Estimate:
        """Estimate the further answers: the first is the prediction, unless that is the teacher's without a model."""
        call, first = self.chat.predict, 0 if self.chat.teacher == "trace" else 1
        further = range(first, self.chat.samples_per_task)
        if rows.samples >= self.chat.samples_per_task or not further:
            return self._estimate(rows.shard, "sample", 0, 0, 0, call=call, basis="done")
        alike = 1 - (1 - ASSUMED_CACHED["predict"]) / len(further)  # the same prompt again is in the cache
        if rows.tasks is None:
            requests = round(tasks * len(further))
            return self._estimate(
                rows.shard, "sample", requests, 0, None, call=call, basis="average yield", shared=alike
            )
        prompts = rows.tasks.sort("function_id", "direction", "task_id")["prompt"]
        asked = [
            request(self.chat.model, [("user", prompt)], with_seed(call, sample))
            for prompt in prompts
            for sample in further
        ]
        return self._exact(rows.shard, "sample", asked, call, 0)

    def _none(self, shard: str, step: str) -> Estimate:
        return self._estimate(shard, step, 0, 0, 0, call=self.chat.predict, basis="teacher: trace")

    def _revise(self, rows: ShardRows, tasks: float) -> Estimate:
        call, turns = self.chat.predict, self.chat.revision_turns
        if self.chat.teacher == "trace":
            return self._none(rows.shard, "revise")
        if rows.revised:
            return self._estimate(rows.shard, "revise", 0, 0, 0, call=call, basis="done")
        if rows.verdicts is not None:
            wrong = float(rows.verdicts["status"].is_in(sorted(NEEDS_REVISION)).sum())
            return self._estimate(rows.shard, "revise", round(wrong * turns), 0, None, call=call, basis="verdicts")
        wrong = tasks * self.experience.revised_ratio
        return self._estimate(rows.shard, "revise", round(wrong * turns), 0, None, call=call, basis="average share")

    def _exact(self, shard: str, step: str, asked: list[ChatRequest], call: ModelCall, further: float) -> Estimate:
        """Estimate requests that are known; `further` ones follow from their answers."""
        missing = [one for one in asked if not self.is_recorded(formed(one, self.chat.form))]
        chars = sum(len(message.content) for one in missing for message in one.messages)
        total = len(asked) + round(further)
        recorded = len(asked) - len(missing)
        mean, _, seen = self.experience.tokens(step, call)
        later = round(further * len(missing) / len(asked)) if asked else 0
        tokens = round(chars / CHARS_PER_TOKEN + later * (mean if seen else chars / max(1, len(missing)) / 2))
        recorded += round(further) - later
        return self._estimate(
            shard, step, total, recorded, tokens, call=call, basis="rows at hand", shared=shared_ratio(missing)
        )

    def _estimate(
        self,
        shard: str,
        step: str,
        requests: int,
        recorded: int,
        prompt: int | None,
        *,
        call: ModelCall,
        basis: str,
        shared: float | None = None,
    ) -> Estimate:
        mean_prompt, mean_completion, seen = self.experience.tokens(step, call)
        missing = requests - recorded
        prompt = round(missing * (mean_prompt or 1_000)) if prompt is None else prompt
        completion = round(missing * mean_completion)
        ratio = ASSUMED_CACHED.get(step, 0.0) if shared is None else shared
        cached = round(prompt * self.experience.cached_ratios.get(step, ratio))
        cost = self.prices.get(self.chat.model, FREE).cost(prompt, completion, cached)
        how = basis if seen or not missing else f"{basis}; half of max_tokens per answer"
        return Estimate(shard, step, requests, recorded, prompt, completion, cost, how, cached)


def _most_tasks(pairs: int | None) -> float:
    """Return the tasks that so many pairs of a function give: one in each direction."""
    return float("inf") if pairs is None else 2 * pairs


def shared_ratio(requests: Sequence[ChatRequest]) -> float:
    """Return the share of prompt text that stands, with all before it, in an earlier request: what a cache can hold.

    In blocks of 16 tokens, as servers cache them, of requests in the order in which they are sent.
    """
    block = round(16 * CHARS_PER_TOKEN)
    seen: set[int] = set()
    blocks = hits = 0
    for one in requests:
        text = "\0".join(f"{message.role}\0{message.content}" for message in one.messages)
        chain = 0
        for start in range(0, len(text) - block + 1, block):
            chain = hash((chain, text[start : start + block]))
            blocks += 1
            hits += chain in seen
            seen.add(chain)
    return hits / blocks if blocks else 0.0
