"""Evaluation of a recipe's base model and checkpoints as a step: who is asked what, and by which engine.

What does not live here: choosing and judging (`steps.held_out_scores`), generation (`training.process.evaluation`,
`llm`).
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from codeio_assets.core.method.conversations import fold_system_json
from codeio_assets.core.settings.models import Chat, ModelCall
from codeio_assets.core.settings.recipes import Evaluation
from codeio_assets.graph.records import Evaluated
from codeio_assets.llm.contract import ChatResponse, ChatServerError
from codeio_assets.llm.live.refusals import CONTEXT_EXCEEDED
from codeio_assets.llm.session import VLLM, ChatSession, open_session
from codeio_assets.project import Project
from codeio_assets.running.inputs import Inputs
from codeio_assets.running.plots import Interval, interval_plot
from codeio_assets.running.step import Begun
from codeio_assets.running.training import run_process
from codeio_assets.sandbox import Sandbox
from codeio_assets.steps.held_out_scores import choose_held_out, score
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.unified_functions import request
from codeio_assets.training.base_models import resolve_base_model
from codeio_assets.training.contract import Failure, checkpoint_folder
from codeio_assets.training.launching import training_environment
from codeio_assets.training.plain_text import control_tokens, plain_messages
from codeio_assets.training.process.evaluation import (
    PROMPT_TOO_LONG,
    EvaluatedModel,
    EvaluationJob,
    read_findings,
    rows_id,
)
from codeio_assets.training.tokenised.chat import load_tokenizer

Step = Begun[Evaluated]
Opened = Callable[[Chat], AbstractContextManager[ChatSession]]


def evaluate_recipe(step: Step, sandbox: Sandbox) -> tuple[StepResult, dict[str, dg.MetadataValue]]:
    """Ask the base model and all checkpoints of the run's recipe about its held-out rows, and judge the answers.

    Raises:
        dagster.Failure: the process that asks failed.
    """
    settings = step.uses.evaluation
    models = evaluated_models(step, step.uses.base_model, step.uses.revision, step.project.checkpoints)
    query = step.project.sql("evaluation/held_out_rows.sql")
    rows = choose_held_out(held_out_rows(step, query, step.partition, settings, fold=step.uses.fold), settings)
    findings = [*_findings(step, rows, models)]
    if settings.generation == "vllm":
        asked = [
            (row["item_id"], json.loads(row["prompt_json"])) for row in rows.filter("ask").sort("item_id").to_dicts()
        ]
        findings += answers_of_servers(step.project, models, asked, settings.max_new_tokens, sessions_of(step))
    names = {model.name: model.checkpoint_sha256 for model in models}
    result = score(
        step.partition, names, rows, findings, held_out_tasks(step, rows), sandbox=sandbox, rule=step.uses.judged.rule
    )
    return result, score_plots(result.tables["held_out_scores"])


def held_out_rows(given: Inputs, query: str, recipe: str, settings: Evaluation, *, fold: bool = False) -> pl.DataFrame:
    """Return enough held-out rows of a recipe's training set to choose from; `fold` puts system texts into prompts."""
    wanted = max(settings.tasks_per_direction, settings.loss_rows)
    rows = given.sql(query, partition=recipe, wanted=wanted)
    if not fold:
        return rows
    return rows.with_columns(pl.Series("prompt_json", map(fold_system_json, rows["prompt_json"]), dtype=pl.String))


def evaluated_models(given: Inputs, base_model: str, revision: str | None, checkpoints: Path) -> list[EvaluatedModel]:
    """Return the base model and the checkpoints of a recipe; their folders lie below `checkpoints`."""
    models = [EvaluatedModel("base", base_model, revision)]
    for stage in (1, 2):
        rows = given.read(f"sft_stage{stage}_checkpoint").to_dicts()
        models += [
            EvaluatedModel(
                f"stage{stage}", str(checkpoint_folder(checkpoints, row["path"])), None, row["checkpoint_sha256"]
            )
            for row in rows
        ]
    return models


def held_out_tasks(given: Inputs, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the tasks, pairs and functions behind the rows that are asked, by table."""
    tasks = _matching(given, "prediction_tasks", "task_id", rows.filter("ask")["task_id"])
    return {
        "prediction_tasks": tasks,
        "io_pairs": _matching(given, "io_pairs", "pair_id", tasks["pair_id"]),
        "unified_functions": _matching(given, "unified_functions", "function_id", tasks["function_id"]),
    }


def _matching(given: Inputs, table: str, key: str, ids: pl.Series) -> pl.DataFrame:
    query = f"select * exclude (part) from {table} where list_contains($ids, {key})"
    return given.sql(query, ids=ids.unique().to_list())


def _findings(step: Step, rows: pl.DataFrame, models: list[EvaluatedModel]) -> list[dict[str, Any]]:
    """Run the evaluation process, unless an earlier run found all of it."""
    settings, project = step.uses.evaluation, step.project
    asked = rows if settings.generation == "transformers" else rows.with_columns(ask=False)
    how = settings.model_dump(include={"max_new_tokens", "max_length", "batch_size"})
    work = project.checkpoints / step.partition / "evaluation"
    stem = work / rows_id(asked, models, **how)[:16]
    job = EvaluationJob(
        models=tuple(models),
        rows_file=f"{stem}.parquet",
        output=f"{stem}.jsonl",
        cache_dir=str(project.home / "models"),
        **how,
    )
    path = job.write(Path(f"{stem}.job.json"))
    asked.select("item_id", "prompt_json", "completion", "ask", "measure").write_parquet(job.rows_file)
    Failure.clear(job.output)
    command = [sys.executable, "-m", "codeio_assets.training.process.evaluation", str(path)]
    environment = training_environment(project.settings.training.devices)
    run_process(step.context, command, environment, job.output, step.tell)
    return read_findings(Path(job.output))


def sessions_of(step: Begun[Any]) -> Opened:
    """Return what opens a session with a step's journal and log."""
    say, label = step.context.log.info, step.context.run.run_id[:8]
    return lambda chat: open_session(chat, step.project.chat_folders, label, say)


def answers_of_servers(
    project: Project,
    models: Iterable[EvaluatedModel],
    asked: Sequence[tuple[str, list[dict[str, str]]]],
    max_tokens: int,
    opened: Opened,
) -> Iterator[dict[str, Any]]:
    """Ask each model behind vLLM servers of its own, started for it and stopped after it; yield findings of answers.

    `asked` are (item id, messages). As by transformers, a prompt that fills the context is an answer without a value.

    Raises:
        ChatServerError: a server cannot be started, or requests failed; what came is in the journal.
    """
    call = ModelCall.model_validate({"temperature": 0.0, "max_tokens": max_tokens})
    for model in models:
        chat = server_settings(project, model)
        control = control_tokens_of(chat, model)
        requests = [request(chat.model, _turns(messages, control), call) for _, messages in asked]
        with opened(chat) as session:
            responses = session.client.complete(requests)
        failed = [response.failure or "" for response in responses if _finish_reason(response) == "failed"]
        if failed:
            raise ChatServerError(
                f"{len(failed):,} of {len(asked):,} requests to the server of {model.name} failed, one with: "
                f"{failed[0][:300]}. What was answered is kept: run it again"
            )
        for (item_id, _), response in zip(asked, responses, strict=True):
            yield {
                "model": model.name,
                "kind": "answer",
                "item_id": item_id,
                "text": response.text,
                "finish_reason": _finish_reason(response),
                "prompt_tokens": response.prompt_tokens,
                "completion_tokens": response.completion_tokens,
            }


def _finish_reason(response: ChatResponse) -> str:
    if response.status == "failed":
        return PROMPT_TOO_LONG if (response.failure or "").startswith(CONTEXT_EXCEEDED) else "failed"
    return "length" if response.status == "truncated" else response.finish_reason or "stop"


def server_settings(project: Project, model: EvaluatedModel) -> Chat:
    """Return the project's chat settings, for vLLM servers of one evaluated model."""
    chat = project.settings.chat
    path = resolve_base_model(model.source, project.home / "models", model.revision)
    identity = (model.checkpoint_sha256 or model.revision or "latest")[:12]
    update = {
        "base_url": VLLM,
        "endpoints": (),
        "requests": "one_by_one",
        "model": f"{model.source if model.name == 'base' else model.name}@{identity}",
        "vllm": chat.vllm.model_copy(update={"model_path": path}),
    }
    return chat.model_copy(update=update)


def control_tokens_of(chat: Chat, model: EvaluatedModel) -> re.Pattern[str] | None:
    """Return what the server of `server_settings` would take for control tokens, also where a text only spells them."""
    source = str(chat.vllm.model_path)
    return control_tokens(load_tokenizer(source, {} if Path(source).is_dir() else {"revision": model.revision}))


def _turns(messages: list[dict[str, str]], control: re.Pattern[str] | None) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in plain_messages(messages, control)]


def score_plots(scores: pl.DataFrame) -> dict[str, dg.MetadataValue]:
    """Return accuracy and loss with their intervals, base against stage 1 against stage 2."""
    plots: dict[str, dg.MetadataValue] = {}
    for name, title in (("accuracy", "share correct"), ("loss", "nats per completion token")):
        intervals = [
            Interval(row["subject"], row["model"], row[name], row[f"{name}_low"], row[f"{name}_high"])
            for row in scores.sort("subject", "model").to_dicts()
            if row[name] is not None
        ]
        plots[f"codeio/{name}_plot"] = interval_plot(intervals, title)
    return plots
