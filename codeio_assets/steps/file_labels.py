"""file_labels: asking a model what raw files are about and how hard they are, where a source wants to know.

Only files that pass the rules that need no model are asked about. What does not live here: reading answers
(`core.method.labels`), deciding by labels (`steps.eligible_code_files`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from codeio_assets.core.method.completion import complete_code
from codeio_assets.core.method.io_pairs import Draws
from codeio_assets.core.method.labels import OpenFunction, open_function, program_of, read_category, read_function
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.project import CategoryFilter, DifficultyFilter, Filters, ModelCall, Sampling
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.comparison import equal_values
from codeio_assets.llm.contract import ChatClient, ChatResponse
from codeio_assets.sandbox.contract import Job, Sandbox
from codeio_assets.sandbox.interpreters import Interpreter
from codeio_assets.sources.shards import Shard
from codeio_assets.steps.eligible_code_files import passing_files
from codeio_assets.steps.executing import REFERENCE, Tally, execute
from codeio_assets.steps.io_pairs import Candidate, draw_and_execute
from codeio_assets.steps.result import StepResult, account, storable
from codeio_assets.steps.unified_functions import request

PROMPTS = ("label_category", "complete_function", "draw_inputs")


@dataclass(slots=True)
class _File:
    """A file on its way to its labels."""

    row: Row
    category: str | None = None
    detail: str | None = None
    opened: OpenFunction | None = None
    reference: Candidate | None = None
    trials: int = 0
    successes: int = 0
    tokens: list[ChatResponse] = field(default_factory=list[ChatResponse])


def label_files(
    raw_files: pl.DataFrame,
    shard: Shard,
    filters: Filters,
    client: ChatClient,
    sandbox: Sandbox,
    *,
    prompts: Mapping[str, Prompt],
    python: Interpreter | None = None,
) -> StepResult:
    """Label the files of a shard: one row per file that was asked about.

    Files whose category is dropped are not given to the trials.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    files = [_File(row) for row in passing_files(raw_files, shard, filters, python)]
    tally = Tally()
    if filters.categories:
        _ask_categories(files, filters.categories, client, prompts["label_category"])
    if filters.difficulty:
        dropped = filters.categories.drop if filters.categories else ()
        kept = [file for file in files if file.category not in dropped]
        _try_completions(kept, filters.difficulty, client, sandbox, prompts=prompts, tally=tally)
    rows = [_row(file, client.model) for file in files]
    return account("file_labels", rows, None, items_in=len(files), info=tally.as_info(sandbox))


def no_labels() -> StepResult:
    """Return the result for a source whose filters ask no model."""
    return account("file_labels", [], None, items_in=0)


def _ask_categories(files: list[_File], settings: CategoryFilter, client: ChatClient, prompt: Prompt) -> None:
    requests = [request(client.model, prompt.fill(content=file.row["content"]), settings.call) for file in files]
    for file, response in zip(files, client.complete(requests), strict=True):
        file.tokens.append(response)
        file.category = read_category(response.text) if response.status == "answered" else None
        if file.category is None:
            file.detail = f"no label in a response that was {response.status}: {response.text[:200]!r}"


def _try_completions(
    files: list[_File],
    settings: DifficultyFilter,
    client: ChatClient,
    sandbox: Sandbox,
    *,
    prompts: Mapping[str, Prompt],
    tally: Tally,
) -> None:
    _draw_inputs(files, settings, client, sandbox, prompt=prompts["draw_inputs"], tally=tally)
    ready = [file for file in files if file.reference and file.opened]
    asked = [(file, trial) for file in ready for trial in range(settings.trials)]
    requests = [
        request(
            client.model,
            prompts["complete_function"].fill(name=file.opened.name, content=file.opened.file_without_body),
            _with_seed(settings.call, trial),
            file.row["file_id"],
        )
        for file, trial in asked
        if file.opened
    ]
    jobs: dict[str, tuple[_File, Job]] = {}
    responses = client.complete(requests)
    for number, ((file, _), response) in enumerate(zip(asked, responses, strict=True)):
        file.tokens.append(response)
        file.trials += 1
        program = _completed_program(file, response)
        if program and file.reference:
            inputs = tuple(file.reference.outputs)[: settings.inputs]
            jobs[str(number)] = file, Job(str(number), program, calls=inputs, variant=REFERENCE)
    for job, outcomes in execute((job for _, job in jobs.values()), sandbox, tally):
        file = jobs[job.job_id][0]
        expected = file.reference.outputs if file.reference else {}
        file.successes += all(
            outcome.value_json is not None and equal_values(json.loads(expected[text]), json.loads(outcome.value_json))
            for text, outcome in zip(job.calls, outcomes, strict=True)
        )


def _draw_inputs(
    files: list[_File],
    settings: DifficultyFilter,
    client: ChatClient,
    sandbox: Sandbox,
    *,
    prompt: Prompt,
    tally: Tally,
) -> None:
    """Choose the function of each file, and execute the original on inputs that the model's generator draws."""
    for file in files:
        try:
            file.opened = open_function(file.row["content"])
        except SyntaxError:  # only the Python that runs programs reads it
            file.detail = "its syntax is newer than the Python of the pipeline: no function of it was tried"
            continue
        if file.opened is None:
            file.detail = "no top-level function with arguments that returns a value"
    asked = [(file, file.opened) for file in files if file.opened]
    requests = [
        request(client.model, _draw_prompt(prompt, opened, file.row["content"]), settings.call)
        for file, opened in asked
    ]
    for (file, opened), response in zip(asked, client.complete(requests), strict=True):
        file.tokens.append(response)
        generator = read_function(response.text, "input_generator") if response.status == "answered" else None
        if generator is None:
            file.detail = f"no input_generator in a response that was {response.status}"
        else:
            program = program_of(opened.text, opened.name, file.row["content"])
            generator = complete_code(generator, file.row["content"])[0]
            draws = Draws(any_size=True)
            file.reference = Candidate(file.row["file_id"], file.row["source"], program, generator, draws)
    candidates = [file.reference for file in files if file.reference]
    sampling = Sampling.model_validate({"draws": 4 * settings.inputs, "draws_per_round": settings.inputs})
    draw_and_execute(candidates, sandbox, sampling, tally)
    for file in files:
        if file.reference and not file.reference.outputs:
            file.detail = f"the original ran on no input: {file.reference.draws.first_error or 'none was drawn'}"
            file.reference = None


def _draw_prompt(prompt: Prompt, opened: OpenFunction, content: str) -> list[tuple[str, str]]:
    keys = ", ".join(f'"{name}"' for name in opened.arguments)
    return prompt.fill(name=opened.name, keys=keys, content=content)


def _completed_program(file: _File, response: ChatResponse) -> str | None:
    if file.opened is None or response.status != "answered":
        return None
    function = read_function(response.text, file.opened.name)
    return None if function is None else program_of(function, file.opened.name, file.row["content"])


def _with_seed(call: ModelCall, trial: int) -> ModelCall:
    """Return a call with a seed of its own, so that trials are different requests."""
    return call.model_copy(update={"seed": (call.seed or 0) + trial})


def _row(file: _File, model: str) -> Row:
    return {
        "file_id": file.row["file_id"],
        "source": file.row["source"],
        "category": file.category,
        "function_name": file.opened.name if file.opened else None,
        "trials": file.trials,
        "successes": file.successes,
        "detail": None if file.detail is None else storable(file.detail[:2_000]),
        "request_keys_json": json.dumps([response.key for response in file.tokens]),
        "model_id": file.tokens[0].model if file.tokens else model,
        "prompt_tokens": sum(response.prompt_tokens for response in file.tokens),
        "completion_tokens": sum(response.completion_tokens for response in file.tokens),
    }
