"""sampled_answers and pass_rates: several answers of a model to each task, and how often it is right.

What does not live here: judging (`steps.executing`), intervals (`core.values.intervals`).
"""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from codeio_assets.core.method.verdicts import Judgement
from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.core.values.comparison import Rule
from codeio_assets.core.values.intervals import wilson
from codeio_assets.llm.contract import ChatClient, ChatResponse
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.executing import Claim, Tally, judge_claims
from codeio_assets.steps.result import StepResult, account, storable
from codeio_assets.steps.unified_functions import request

SHARED = ("task_id", "function_id", "source", "direction")


@dataclass(frozen=True)
class Asked:
    """What is asked several times, and what the answers are judged by: the tables of these names."""

    prediction_tasks: pl.DataFrame
    io_pairs: pl.DataFrame
    unified_functions: pl.DataFrame


def no_rates() -> StepResult:
    """Return the result of a shard whose tasks are not asked several times."""
    return account("pass_rates", [], None, items_in=0, side_tables={"sampled_answers": frame("sampled_answers", [])})


def sample_answers(
    asked: Asked,
    client: ChatClient,
    call: ModelCall,
    samples: int,
    *,
    sandbox: Sandbox,
    rule: Rule,
    tally: Tally | None = None,
) -> StepResult:
    """Ask for every task `samples` times, each time with a seed of its own, and judge the answers.

    Sample 0 is the request of `predictions`, so that it is not sent again. Tables: `sampled_answers`, and `pass_rates`
    of the tasks with at least one answer that the server and the machine did not lose.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    tasks, pairs, functions = asked.prediction_tasks, asked.io_pairs, asked.unified_functions
    ordered = tasks.sort("function_id", "direction", "task_id").to_dicts()
    items = [(task, sample) for task in ordered for sample in range(samples)]
    requests = [
        request(client.model, [("user", task["prompt"])], with_seed(call, sample), task["function_id"])
        for task, sample in items
    ]
    responses = client.complete(requests)
    targets = dict(pairs.select("pair_id", "output_json").iter_rows())
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    claims = [
        Claim(
            task["function_id"],
            task["direction"],
            given.status,
            given.text,
            targets[task["pair_id"]],
            code[task["function_id"]],
        )
        for (task, _), given in zip(items, responses, strict=True)
    ]
    tally = tally or Tally()
    judged = judge_claims(claims, sandbox, rule, tally)
    rows = [
        _answer(task, sample, given, verdict)
        for (task, sample), given, verdict in zip(items, responses, judged, strict=True)
    ]
    rates = pass_rates(rows)
    info = tally.as_info(sandbox) | {
        "mean_pass_rate": sum(rate["pass_rate"] for rate in rates) / len(rates) if rates else None,
        "requests_by_status": dict(sorted(Counter(given.status for given in responses).items())),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
    }
    side = {"sampled_answers": frame("sampled_answers", rows)}
    return account("pass_rates", rates, None, items_in=len(tasks), items_out=len(tasks), side_tables=side, info=info)


def with_seed(call: ModelCall, sample: int) -> ModelCall:
    """Return a call with a seed of its own, so that samples are different requests; sample 0 has the call's own."""
    return call if not sample else call.model_copy(update={"seed": (call.seed or 0) + sample})


def pass_rates(answers: list[Row]) -> list[Row]:
    """Return the rows of `pass_rates`: answers lost by the server or the machine do not count."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in answers:
        if row["status"] != "infrastructure":
            groups.setdefault((row["task_id"], row["model_id"]), []).append(row)
    return [_rate(group) for _, group in sorted(groups.items())]


def _rate(group: list[Row]) -> Row:
    first, correct = group[0], sum(row["status"] == "correct" for row in group)
    low, high = wilson(correct, len(group))
    identity = {name: first[name] for name in ("task_id", "model_id", "rule_version")}
    return {
        "rate_id": content_id(**identity),
        **{name: first[name] for name in SHARED},
        "model_id": first["model_id"],
        "samples": len(group),
        "correct": correct,
        "pass_rate": correct / len(group),
        "pass_rate_low": low,
        "pass_rate_high": high,
        "rule_version": first["rule_version"],
    }


def _answer(task: Row, sample: int, response: ChatResponse, verdict: Judgement) -> Row:
    return {
        "answer_id": content_id(task_id=task["task_id"], sample=sample, request_key=response.key),
        **{name: task[name] for name in SHARED},
        "sample": sample,
        "request_key": response.key,
        "model_id": response.model,
        "response": storable(response.text),
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
        "status": verdict.status,
        "predicted_json": verdict.predicted_json,
        "executed_output_json": verdict.executed_output_json,
        "rule_version": verdict.rule_version,
    }
