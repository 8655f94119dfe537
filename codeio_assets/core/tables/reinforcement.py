"""The tables of verifiable tasks: sampled answers and pass rates, traces, questions about steps, grounding of CoTs.

What does not live here: the list of all tables (`core.tables.data`), the format of a trace (`core.method.traces`).
"""

import pandera.polars as pa

from codeio_assets.core.tables.schema import DIRECTIONS, ID, VERDICT_STATUSES, Table

STEP_KINDS = ["value_after_line", "next_line", "times_run"]


class SampledAnswer(Table):
    """One row per (task, model, sample): one of several answers to the same prompt, and its verdict by execution."""

    answer_id: str = pa.Field(unique=True, **ID, description="sha256 over task_id, sample and request_key")
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    sample: int = pa.Field(ge=0, description="0 = the request of `predictions`; each further one has a seed of its own")
    request_key: str = pa.Field(**ID)
    model_id: str
    response: str = pa.Field(description="text of the answer; empty when it failed")
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)
    status: str = pa.Field(isin=VERDICT_STATUSES)
    predicted_json: str = pa.Field(nullable=True, description="the value found in the response")
    executed_output_json: str = pa.Field(nullable=True, description="what the predicted input really gives")
    rule_version: str


class PassRate(Table):
    """One row per (task, model): how often the model is right, with the 95% interval."""

    rate_id: str = pa.Field(unique=True, **ID, description="sha256 over task_id, model_id and rule_version")
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    model_id: str
    samples: int = pa.Field(ge=1, description="answers judged; those that the machine or the server lost do not count")
    correct: int = pa.Field(ge=0, description="by execution")
    pass_rate: float = pa.Field(ge=0, le=1, description="correct answers of all samples")
    pass_rate_low: float = pa.Field(ge=0, le=1, description="Wilson")
    pass_rate_high: float = pa.Field(ge=0, le=1, description="upper end of the 95% interval (Wilson)")
    rule_version: str


class ExecutionTrace(Table):
    """One row per pair: what the reference code did on its way from the input to the output, line by line."""

    trace_id: str = pa.Field(unique=True, **ID, description="sha256 over pair_id and trace_json")
    pair_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    python: str = pa.Field(description="version of Python, such as 3.11; another one may trace otherwise")
    events: int = pa.Field(ge=1, description="events in the trace")
    is_complete: bool = pa.Field(description="whether no bound cut it short")
    trace_json: str = pa.Field(str_matches=r"^\{", description="the trace, compact JSON (docs/verifiable_tasks.md)")


class StepQuestion(Table):
    """One row per question about one step of a traced execution, with the right answer."""

    question_id: str = pa.Field(unique=True, **ID, description="sha256 over pair_id, kind and prompt")
    pair_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    kind: str = pa.Field(isin=STEP_KINDS, description="what is asked")
    prompt: str = pa.Field(str_length={"min_value": 1}, description="what the model is asked, whole")
    target_json: str = pa.Field(description="the right answer, canonical JSON")
    answer: str = pa.Field(
        nullable=True, description="the teacher's walk to the right answer, judged; null where it cannot be told"
    )


class CotGrounding(Table):
    """One row per prediction with a statement that can be checked, or a state line: what the execution bears out."""

    prediction_id: str = pa.Field(unique=True, **ID)
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    turn: int = pa.Field(ge=1)
    statements: int = pa.Field(ge=0, description="statements of the kind `name is value` about names of the code")
    grounded: int = pa.Field(ge=0, description="those whose name had that value at some time")
    ungrounded_json: str = pa.Field(str_matches=r"^\[", description="the first ten others, as they stand")
    state_lines: int = pa.Field(ge=0, description="lines `[state] name = value; ...`")
    right_state_lines: int = pa.Field(
        nullable=True, ge=0, description="those that are a state of the execution; null where it could not be followed"
    )
    wrong_state_lines_json: str = pa.Field(str_matches=r"^\[", description="the first ten others, as they stand")
