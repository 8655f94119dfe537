"""predictions, verdicts and the revision turns: asking, judging by execution, asking again with feedback.

What does not live here: reading answers and comparing (`core.method.verdicts`), transport (`llm`), isolation
(`sandbox`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from codeio_assets.core.method.revision import NEEDS_REVISION, next_messages
from codeio_assets.core.method.tasks import build_tasks
from codeio_assets.core.method.verdicts import Judgement, Rule, judge_input, judge_output, read_input_answer
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.project import ModelCall
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.llm.contract import ChatClient, ChatResponse
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox
from codeio_assets.steps.io_pairs import REFERENCE, InfrastructureError, Tally
from codeio_assets.steps.result import Row, StepResult, account, storable
from codeio_assets.steps.unified_functions import request

Conversation = list[tuple[str, str]]


def build_prediction_tasks(functions: pl.DataFrame, pairs: pl.DataFrame, prompts: Mapping[str, Prompt]) -> StepResult:
    """Build both prompts of each pair; rejections: `duplicate_prompt`."""
    by_function: dict[str, list[Mapping[str, Any]]] = {}
    for pair in pairs.sort("function_id", "pair_index").to_dicts():
        by_function.setdefault(pair["function_id"], []).append(pair)
    rows: list[Row] = []
    rejections: list[Row] = []
    for function in functions.to_dicts():
        tasks, dropped = build_tasks(function, by_function.get(function["function_id"], []), prompts)
        rows.extend(tasks)
        rejections.extend(dropped)
    return account("prediction_tasks", rows, rejections, items_in=2 * len(pairs))


def predict(
    tasks: pl.DataFrame, client: ChatClient, call: ModelCall, previous: pl.DataFrame | None = None
) -> StepResult:
    """Ask for every task once: one row per task, answered or not.

    With the rows of a `previous` run, only for those tasks that have none yet or whose request failed.
    """
    kept = _settled(previous)
    ordered = tasks.sort("function_id", "direction", "task_id").to_dicts()
    asked = [task for task in ordered if (task["task_id"], 1) not in kept]
    requests = [request(client.model, [("user", task["prompt"])], call) for task in asked]
    responses = client.complete(requests)
    rows = [kept[task["task_id"], 1] for task in ordered if (task["task_id"], 1) in kept]
    rows += [_prediction(task, 1, response) for task, response in zip(asked, responses, strict=True)]
    return account("predictions", rows, None, items_in=len(tasks), info=_usage(rows))


def _settled(previous: pl.DataFrame | None) -> dict[tuple[str, int], Row]:
    """Return (task, turn) -> row of the predictions of a previous run that need not be asked again."""
    rows = [] if previous is None else previous.filter(pl.col("status") != "failed").to_dicts()
    return {(row["task_id"], row["turn"]): row for row in rows}


def judge(
    predictions: pl.DataFrame,
    tasks: pl.DataFrame,
    pairs: pl.DataFrame,
    functions: pl.DataFrame,
    sandbox: Sandbox,
    rule: Rule,
    table: str = "verdicts",
    tally: Tally | None = None,
) -> StepResult:
    """Give each prediction its verdict.

    The expected value never enters the sandbox: a predicted input is executed there, its output compared here.
    A `tally` that is given goes on counting what execution costs.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    targets = _targets(tasks, pairs)
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    tally = tally or Tally()
    judged: dict[str, Judgement] = {}
    to_execute: list[tuple[Row, str]] = []
    for row in predictions.to_dicts():
        target = targets[row["task_id"]]
        if row["direction"] == "output":
            judged[row["prediction_id"]] = judge_output(row["status"], row["response"], target, rule)
            continue
        answer = read_input_answer(row["status"], row["response"], rule)
        if isinstance(answer, Judgement):
            judged[row["prediction_id"]] = answer
        else:
            to_execute.append((row, answer))
    for row, predicted, outcome in _execute(to_execute, code, sandbox, tally):
        judged[row["prediction_id"]] = judge_input(
            predicted,
            outcome.status,
            outcome.value_json,
            outcome.error_type,
            outcome.message,
            targets[row["task_id"]],
            rule,
        )
    rows = [_verdict(row, judged[row["prediction_id"]]) for row in predictions.to_dicts()]
    info = tally.as_info(sandbox) | {"verdicts_by_status": dict(sorted(Counter(r["status"] for r in rows).items()))}
    return account(table, rows, None, items_in=len(predictions), info=info)


def revise(
    tasks: pl.DataFrame,
    first: pl.DataFrame,
    first_verdicts: pl.DataFrame,
    client: ChatClient,
    call: ModelCall,
    turns: int,
    prompt: Prompt,
    judge_turn: Callable[[pl.DataFrame], StepResult],
    already: pl.DataFrame | None = None,
) -> StepResult:
    """Give wrong predictions up to `turns` further turns; each turn is judged before the next is asked.

    With the rows `already` there from a previous run, only requests that have none yet or failed are sent.

    Tables: `revised_predictions` and `revised_verdicts`, one row per (task, turn), turn >= 2.
    """
    predictions: list[pl.DataFrame] = []
    verdicts: list[pl.DataFrame] = []
    flow: list[dict[str, Any]] = []
    previous, judged, kept = first, first_verdicts, _settled(already)
    talks: dict[str, Conversation] = {
        task_id: [("user", prompt_text)] for task_id, prompt_text in tasks.select("task_id", "prompt").iter_rows()
    }
    for turn in range(2, turns + 2):
        wrong = judged.filter(pl.col("status").is_in(sorted(NEEDS_REVISION)))
        if wrong.is_empty():
            break
        rows = _ask_again(wrong, previous, talks, turn, client, call, prompt, kept)
        previous = frame("revised_predictions", rows)
        judged = judge_turn(previous).tables["revised_verdicts"]
        predictions.append(previous)
        verdicts.append(judged)
        flow += _flow(turn, wrong, judged)
    asked = pl.concat(predictions) if predictions else frame("revised_predictions", [])
    result = account(
        "revised_predictions",
        asked.to_dicts(),
        None,
        items_in=len(asked),
        info=_usage(asked.to_dicts()) | {"flow": flow},
    )
    tables = {
        **result.tables,
        "revised_verdicts": pl.concat(verdicts).sort("verdict_id") if verdicts else frame("revised_verdicts", []),
    }
    return StepResult(tables, result.items_in, result.items_out, {}, result.info)


def _ask_again(
    wrong: pl.DataFrame,
    previous: pl.DataFrame,
    talks: dict[str, Conversation],
    turn: int,
    client: ChatClient,
    call: ModelCall,
    prompt: Prompt,
    kept: Mapping[tuple[str, int], Row],
) -> list[Row]:
    answers = {row["prediction_id"]: row for row in previous.to_dicts()}
    items = wrong.sort("function_id", "direction", "task_id").to_dicts()
    for verdict in items:
        talks[verdict["task_id"]] = next_messages(
            talks[verdict["task_id"]],
            answers[verdict["prediction_id"]]["response"],
            verdict["feedback"],
            verdict["direction"],
            prompt,
        )
    asked = [item for item in items if (item["task_id"], turn) not in kept]
    responses = client.complete([request(client.model, talks[item["task_id"]], call) for item in asked])
    rows = [kept[item["task_id"], turn] for item in items if (item["task_id"], turn) in kept]
    return rows + [_prediction(item, turn, response) for item, response in zip(asked, responses, strict=True)]


def _targets(tasks: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, str]:
    """Return task -> output of its pair: what a prediction in either direction is measured against."""
    joined = tasks.join(pairs.select("pair_id", "output_json"), on="pair_id", how="left", validate="m:1")
    return dict(joined.select("task_id", "output_json").iter_rows())


def _execute(
    items: list[tuple[Row, str]], code: Mapping[str, str], sandbox: Sandbox, tally: Tally
) -> list[tuple[Row, str, Outcome]]:
    """Execute predicted inputs, all of a function in one job; each call is a process of its own."""
    by_function: dict[str, list[tuple[Row, str]]] = {}
    for row, predicted in items:
        by_function.setdefault(row["function_id"], []).append((row, predicted))
    jobs = (
        Job(
            function_id,
            code[function_id],
            calls=tuple(predicted for _, predicted in group),
            variant=REFERENCE,
        )
        for function_id, group in by_function.items()
    )
    done: list[tuple[Row, str, Outcome]] = []
    tally.begin("judging predicted inputs", len(by_function))
    for job, outcomes in sandbox.run_many(jobs):
        tally.add(outcomes)
        for (row, predicted), outcome in zip(by_function[job.job_id], outcomes, strict=True):
            if outcome.status == "infrastructure":
                raise InfrastructureError(outcome.message or "the sandbox lost its worker")
            done.append((row, predicted, outcome))
    return done


def _prediction(item: Mapping[str, Any], turn: int, response: ChatResponse) -> Row:
    return {
        "prediction_id": content_id(task_id=item["task_id"], turn=turn, request_key=response.key),
        **{name: item[name] for name in ("task_id", "function_id", "source", "direction")},
        "turn": turn,
        "request_key": response.key,
        "status": response.status,
        "response": storable(response.text),
        "reasoning": None if response.reasoning is None else storable(response.reasoning),
        "finish_reason": response.finish_reason,
        "model_id": response.model,
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
        "attempts": response.attempts,
        "failure": response.failure,
    }


def _verdict(row: Mapping[str, Any], judgement: Judgement) -> Row:
    return {
        "verdict_id": content_id(prediction_id=row["prediction_id"], rule_version=judgement.rule_version),
        **{name: row[name] for name in ("prediction_id", "task_id", "function_id", "source", "direction", "turn")},
        "status": judgement.status,
        "predicted_json": judgement.predicted_json,
        "executed_output_json": judgement.executed_output_json,
        "error_type": judgement.error_type,
        "feedback": judgement.feedback,
        "rule_version": judgement.rule_version,
    }


def _usage(rows: list[Row]) -> dict[str, Any]:
    return {
        "requests_by_status": dict(sorted(Counter(row["status"] for row in rows).items())),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
    }


def _flow(turn: int, before: pl.DataFrame, after: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the status flow of a turn as rows: turn, from, to, count."""
    joined = before.select("task_id", "status").join(after.select("task_id", to="status"), on="task_id")
    counts = joined.group_by("status", "to").len().sort("status", "to")
    return [{"turn": turn, "from": row["status"], "to": row["to"], "count": row["len"]} for row in counts.to_dicts()]
