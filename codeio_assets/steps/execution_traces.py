"""execution_traces: what the reference code of each pair does, line by line, on its way from the input to the output.

What does not live here: following calls (`sandbox.tracing`), reading traces (`core.method.traces`).
"""

import polars as pl

from codeio_assets.core.method.traces import MalformedTrace, Trace, read_trace
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import canonical_text, content_id
from codeio_assets.sandbox.contract import Outcome, Sandbox
from codeio_assets.sandbox.tracing import TraceBounds, trace_job
from codeio_assets.steps.executing import REFERENCE, Tally, execute
from codeio_assets.steps.result import StepResult, account, rejection, storable


def trace_pairs(
    functions: pl.DataFrame,
    pairs: pl.DataFrame,
    sandbox: Sandbox,
    *,
    python: str,
    bounds: TraceBounds | None = None,
    tally: Tally | None = None,
) -> StepResult:
    """Follow every pair's call under the reference variant; the same pairs give the same bytes.

    `python` is the version that runs in the sandbox, such as 3.11.

    Rejections (by pair): `trace_<status>` where the call did not end in a value within its limits, `trace_malformed`,
    `trace_differs` where it gave another output than the pair has.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    by_function: dict[str, list[Row]] = {}
    for pair in pairs.sort("function_id", "pair_index").to_dicts():
        by_function.setdefault(pair["function_id"], []).append(pair)
    jobs = (
        trace_job(function_id, code[function_id], tuple(pair["input_json"] for pair in group), REFERENCE, bounds)
        for function_id, group in by_function.items()
    )
    rows: list[Row] = []
    rejections: list[Row] = []
    tally = tally or Tally()
    tally.begin("following calls", len(by_function))
    for job, outcomes in execute(jobs, sandbox, tally):
        for pair, outcome in zip(by_function[job.job_id], outcomes, strict=True):
            made = _trace_row(pair, outcome, python)
            (rejections if "reason" in made else rows).append(made)
    info = tally.as_info(sandbox) | {"events": sum(row["events"] for row in rows)}
    info["complete_traces"] = sum(row["is_complete"] for row in rows)
    rejections.sort(key=lambda row: row["id"])
    return account("execution_traces", rows, rejections, items_in=len(pairs), info=info)


def no_traces() -> StepResult:
    """Return the result of a shard that is not traced."""
    return account("execution_traces", [], [], items_in=0)


def _trace_row(pair: Row, outcome: Outcome, python: str) -> Row:
    trace = _checked(pair, outcome)
    if not isinstance(trace, Trace):
        return rejection(pair["pair_id"], pair["source"], *trace)
    text = storable(outcome.value_json or "")
    return {
        "trace_id": content_id(pair_id=pair["pair_id"], trace_json=text),
        **{name: pair[name] for name in ("pair_id", "function_id", "source")},
        "python": python,
        "events": len(trace.events),
        "is_complete": trace.is_complete,
        "trace_json": text,
    }


def _checked(pair: Row, outcome: Outcome) -> Trace | tuple[str, str]:
    """Return the trace of a pair, or the reason and detail of why there is none."""
    if outcome.status != "ok" or outcome.value_json is None:
        return f"trace_{outcome.status}", outcome.message or outcome.status
    try:
        trace = read_trace(outcome.value_json)
    except MalformedTrace as problem:
        return "trace_malformed", str(problem)
    if trace.result_json is None or canonical_text(trace.result_json) != canonical_text(pair["output_json"]):
        return "trace_differs", f"it gives {trace.result_json}"
    return trace
