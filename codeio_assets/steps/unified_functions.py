"""unified_functions: asking a model to rewrite each file, with the error as feedback where that fails.

What does not live here: reading responses (`core.method.transform`), transport (`llm`), execution (`sandbox`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from codeio_assets.core.method.completion import complete_function
from codeio_assets.core.method.io_pairs import MISSING_PACKAGE, main_reason, packages_lacking
from codeio_assets.core.method.transform import (
    ParsedFunction,
    TransformFailure,
    copies_example,
    parse_response,
    repair_messages,
    request_messages,
)
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.project import ModelCall, Sampling
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import JsonLike, content_id
from codeio_assets.llm.contract import ChatClient, ChatRequest, ChatResponse, Message, folded
from codeio_assets.llm.contract import Sampling as Decoding
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.io_pairs import Candidate, draw_and_execute
from codeio_assets.steps.result import StepResult, account, rejection, storable

SMOKE_DRAWS = Sampling.model_validate({"draws": 10, "draws_per_round": 10})
"""A function must survive this before it counts as one: ten draws, and one output."""


@dataclass(slots=True)
class _File:
    """A file on its way to a function."""

    row: Row
    messages: list[tuple[str, str]]
    function: ParsedFunction | None = None
    failure: TransformFailure | None = None
    response: ChatResponse | None = None
    completed_names: tuple[str, ...] = ()
    attempts: int = 0


def decoding(call: ModelCall) -> Decoding:
    """Return the sampling parameters of a request from the settings of its stage."""
    return Decoding(call.temperature, call.top_p, call.max_tokens, call.seed, call.stop)


def request(model: str, messages: list[tuple[str, str]], call: ModelCall, affinity: str = "") -> ChatRequest:
    """Return a request from (role, text) messages, as the settings of its stage want it.

    `affinity` names what the prompts of several requests begin with: the function that they are about.
    """
    chat = tuple(Message(role, text) for role, text in messages)  # pyright: ignore[reportArgumentType]
    return ChatRequest(model, folded(chat) if call.system_messages == "fold" else chat, decoding(call), affinity)


@dataclass(frozen=True)
class Transformer:
    """Who rewrites files, where the functions are tried, with which prompts, how, and in how many requests a file."""

    client: ChatClient
    sandbox: Sandbox
    prompts: Mapping[str, Prompt]
    call: ModelCall
    attempts: int = 2


def transform_files(files: pl.DataFrame, by: Transformer) -> StepResult:
    """Turn each file into a function that runs, in at most so many requests as the transformer says.

    Rejections: the reasons of `core.method.transform.parse_response`, `copied_example`, those of a first execution
    (`generator_exception`, `output_exception`, ...), and `response_failed`, `response_refused`, `response_truncated`.
    """
    prompt = by.prompts["transform"]
    todo = [_File(row, request_messages(prompt, row["content"])) for row in files.to_dicts()]
    log: list[Row] = []
    tally = Tally()
    active = todo
    for attempt in range(1, by.attempts + 1):
        if not active:
            break
        requests = [request(by.client.model, file.messages, by.call) for file in active]
        for file, response in zip(active, by.client.complete(requests), strict=True):
            _read(file, response, attempt, prompt)
        _try_out([file for file in active if file.function], by.sandbox, tally)
        log.extend(_attempt_row(file) for file in active)
        active = [file for file in active if file.failure and _can_be_mended(file)]
        for file in active:
            _ask_for_repair(file, by.prompts)
    return _result(todo, log, prompt, tally.as_info(by.sandbox))


def retry_failed_files(files: pl.DataFrame, previous: Mapping[str, pl.DataFrame], by: Transformer) -> StepResult:
    """Ask again only for the files whose request failed in a `previous` run; what came of the others stays.

    `previous` holds the committed tables. Files that are new are asked for as well.
    """
    rejections = previous["unified_functions_rejections"]
    failed = rejections.filter(pl.col("reason") == "response_failed")["id"]
    ended = set(previous["unified_functions"]["file_id"]) | (set(rejections["id"]) - set(failed))
    again = transform_files(files.filter(~pl.col("file_id").is_in(list(ended))), by)
    tables: dict[str, pl.DataFrame] = {}
    for name, key in (
        ("unified_functions", "file_id"),
        ("unified_functions_rejections", "id"),
        ("transform_attempts", "file_id"),
    ):
        stays = previous[name].filter(pl.col(key).is_in(list(ended & set(files["file_id"]))))
        tables[name] = pl.concat([stays, again.tables[name]]).sort(pl.first())
    return account(
        "unified_functions",
        tables["unified_functions"].to_dicts(),
        tables["unified_functions_rejections"].to_dicts(),
        items_in=len(files),
        side_tables={"transform_attempts": tables["transform_attempts"]},
        info={
            **again.info,
            "files_asked_again": again.items_in,
            "missing_packages": packages_lacking(
                tables["unified_functions_rejections"].select("reason", "detail").iter_rows()
            ),
        },
    )


def _read(file: _File, response: ChatResponse, attempt: int, prompt: Prompt) -> None:
    response = replace(response, text=storable(response.text))
    file.response, file.attempts, file.function, file.failure = response, attempt, None, None
    if response.status != "answered":
        file.failure = TransformFailure(f"response_{response.status}", response.failure or _WORDS[response.status])
        return
    parsed = parse_response(response.text)
    if isinstance(parsed, ParsedFunction) and copies_example(parsed, prompt):
        parsed = TransformFailure("copied_example", "it is not about the file; rewrite the file that was given")
    if isinstance(parsed, ParsedFunction):
        file.function, file.completed_names = complete_function(parsed, file.row["content"])
    else:
        file.failure = parsed


_WORDS = {
    "truncated": "the answer was cut off at the token limit; answer more briefly",
    "refused": "the model refused",
    "failed": "the request failed",
}


def _try_out(files: list[_File], sandbox: Sandbox, tally: Tally) -> None:
    candidates = {
        file.row["file_id"]: Candidate(
            file.row["file_id"],
            file.row["source"],
            file.function.reference_code,
            file.function.input_generator,
        )
        for file in files
        if file.function
    }
    draw_and_execute(list(candidates.values()), sandbox, SMOKE_DRAWS, tally)
    for file in files:
        candidate = candidates[file.row["file_id"]]
        if not candidate.outputs:
            reason = main_reason(candidate.draws.lost)
            file.failure = TransformFailure(reason, f"when run: {candidate.draws.first_error or reason}")


def _can_be_mended(file: _File) -> bool:
    """Tell whether a second request may help: not where nothing was answered, nor where a package is not there."""
    if file.failure is not None and file.failure.reason == MISSING_PACKAGE:
        return False
    return file.response is not None and file.response.status in {"answered", "truncated"}


def _ask_for_repair(file: _File, prompts: Mapping[str, Prompt]) -> None:
    assert file.response is not None
    assert file.failure is not None
    request = request_messages(prompts["transform"], file.row["content"])
    file.messages = repair_messages(request, file.response.text, prompts["transform_repair"], file.failure)


def _attempt_row(file: _File) -> Row:
    response = file.response
    assert response is not None
    return {
        "attempt_id": content_id(file_id=file.row["file_id"], request_key=response.key),
        "file_id": file.row["file_id"],
        "source": file.row["source"],
        "attempt": file.attempts,
        "request_key": response.key,
        "status": response.status,
        "reason": file.failure.reason if file.failure else None,
        "detail": file.failure.detail[:2_000] if file.failure else None,
        "model_id": response.model,
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
    }


def _result(files: list[_File], log: list[Row], prompt: Prompt, info: dict[str, JsonLike]) -> StepResult:
    rows: list[Row] = []
    rejections: list[Row] = []
    for file in files:
        if file.failure or not file.function:
            failure = file.failure or TransformFailure("no_response", "no request was sent")
            detail = f"{file.row['path']}: {failure.detail} (attempts: {file.attempts})"
            rejections.append(rejection(file.row["file_id"], file.row["source"], failure.reason, detail))
        else:
            rows.append(_function_row(file, file.function, prompt))
    info |= {
        "prompt_sha256": prompt.sha256,
        "requests_by_status": {
            status: sum(row["status"] == status for row in log) for status in sorted({row["status"] for row in log})
        },
        "missing_packages": packages_lacking((row["reason"], row["detail"]) for row in rejections),
        "won_by_repair": sum(row["attempt"] > 1 for row in rows),
        "won_by_attempt": {
            str(attempt): sum(row["attempt"] == attempt for row in rows)
            for attempt in sorted({row["attempt"] for row in log})
        },
        "won_by_completion": sum(row["completed_names"] != "" for row in rows),
        "prompt_tokens": sum(row["prompt_tokens"] for row in log),
        "completion_tokens": sum(row["completion_tokens"] for row in log),
    }
    side = {"transform_attempts": frame("transform_attempts", log)}
    return account("unified_functions", rows, rejections, items_in=len(files), side_tables=side, info=info)


def _function_row(file: _File, function: ParsedFunction, prompt: Prompt) -> Row:
    parts = {
        "reference_code": function.reference_code,
        "io_description": function.io_description,
        "input_generator": function.input_generator,
        "query": function.query,
    }
    response = file.response
    assert response is not None
    return {
        "function_id": content_id(file_id=file.row["file_id"], **parts),
        **{name: file.row[name] for name in ("file_id", "source", "repository", "path", "license")},
        **parts,
        "completed_names": ",".join(file.completed_names),
        "attempt": file.attempts,
        "request_key": response.key,
        "model_id": response.model,
        "prompt_sha256": prompt.sha256,
    }
