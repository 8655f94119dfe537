"""The tables of findings about data: flaws of responses, the history of verdicts, slow functions, published pairs.

What does not live here: the tables of the data itself, and the list of all (`tables`).
"""

import pandera.polars as pa

from codeio_assets.core.settings.quality import FLAWS
from codeio_assets.core.tables.reasons import AUDIT_RESULTS
from codeio_assets.core.tables.schema import DIRECTIONS, ID, Table
from codeio_assets.core.values.public_rule import MISJUDGEMENTS


class CotFlaw(Table):
    """One row per response of any turn: which flaws its text shows; see `core.settings.quality.FLAWS`."""

    prediction_id: str = pa.Field(unique=True, **ID)
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    turn: int = pa.Field(ge=1)
    model_id: str
    answer_missing: bool = pa.Field(description=FLAWS["answer_missing"])
    cut_off: bool = pa.Field(description=FLAWS["cut_off"])
    refused: bool = pa.Field(description=FLAWS["refused"])
    too_short: bool = pa.Field(description=FLAWS["too_short"])
    too_long: bool = pa.Field(description=FLAWS["too_long"])
    code_block: bool = pa.Field(description=FLAWS["code_block"])
    copied_code: bool = pa.Field(description=FLAWS["copied_code"])
    loop: bool = pa.Field(description=FLAWS["loop"])
    repeats_previous: bool = pa.Field(description=FLAWS["repeats_previous"])
    contradiction: bool = pa.Field(description=FLAWS["contradiction"])
    other_language: bool = pa.Field(description=FLAWS["other_language"])


class VerdictHistory(Table):
    """One row per (version of a shard's verdicts, direction, turn, model): how many were right. Never replaced."""

    version: str = pa.Field(**ID, description="data version of the commit")
    shard: str = pa.Field(description="partition key")
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    turn: int = pa.Field(ge=1)
    model_id: str
    correct: int = pa.Field(ge=0, description="verdicts that are `correct`")
    total: int = pa.Field(ge=1, description="verdicts; responses that the machine lost are left out")
    written_at: str = pa.Field(description="UTC, ISO 8601")


class FunctionCost(Table):
    """One row per function among the slowest of a shard: what its calls took when pairs were last sampled."""

    function_id: str = pa.Field(unique=True, **ID)
    shard: str = pa.Field(description="partition key")
    calls: int = pa.Field(ge=1, description="calls and draws, all rounds together")
    cpu_s: float = pa.Field(ge=0, description="CPU seconds of these calls")
    shard_share: float = pa.Field(ge=0, le=1, description="share of the CPU time of all calls of the shard")


class PublishedPair(Table):
    """One row per recorded pair of published functions: whether it reproduces, and what else is wrong with it."""

    pair_id: str = pa.Field(unique=True, **ID, description="sha256 over the function, its place, the pair's and input")
    function_number: int = pa.Field(ge=0, description="line of the function in its file, from 0")
    pair_index: int = pa.Field(ge=0, description="place of the pair within its function, from 0")
    entry: str = pa.Field(description="name of the function that is called")
    result: str = pa.Field(isin=list(AUDIT_RESULTS), description="`reproduces`, or why it does not")
    input_json: str = pa.Field(description="keyword arguments as JSON, in the order recorded")
    output_json: str = pa.Field(description="as recorded")
    now_json: str = pa.Field(description="what the input gives now; as text, how the call ended")
    is_degenerate: bool = pa.Field(description="all pairs of the function have one output")
    repeats_input: bool = pa.Field(description="an earlier pair of the function has the same input")
    repeats_input_prompt: bool = pa.Field(description="an earlier pair has the same output: the same input prediction")
    repeats_function: bool = pa.Field(description="an earlier function has the same code, blanks aside")
    misjudged: str = pa.Field(
        nullable=True, isin=list(MISJUDGEMENTS), description="how the public comparison judges answers to it wrongly"
    )
