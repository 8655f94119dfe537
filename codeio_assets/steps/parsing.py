"""Functions from transform responses that are at hand already, without asking a model."""

from collections.abc import Iterable

from codeio_assets.core.method.transform import ParsedFunction, parse_response
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import content_id, sha256_hex
from codeio_assets.steps.result import StepResult, account, rejection


def parse_responses(responses: Iterable[tuple[str, str]], source: str, model: str) -> StepResult:
    """Read (id, response) pairs in the four-section format; each ends as a function or a rejection.

    The id of a response stands in `path`; rejections have the reasons of `core.method.transform.parse_response`.
    """
    rows: list[Row] = []
    rejections: list[Row] = []
    count = 0
    for name, response in responses:
        count += 1
        file_id = content_id(source=source, path=name, response=response)
        parsed = parse_response(response)
        if isinstance(parsed, ParsedFunction):
            rows.append(_row(file_id, source, name, response, model, parsed=parsed))
        else:
            rejections.append(rejection(file_id, source, parsed.reason, f"{name}: {parsed.detail}"))
    return account("unified_functions", rows, rejections, items_in=count)


def _row(file_id: str, source: str, name: str, response: str, model: str, *, parsed: ParsedFunction) -> Row:
    parts = {
        "reference_code": parsed.reference_code,
        "io_description": parsed.io_description,
        "input_generator": parsed.input_generator,
        "query": parsed.query,
    }
    return {
        "function_id": content_id(file_id=file_id, **parts),
        "file_id": file_id,
        "source": source,
        "repository": None,
        "path": name,
        "license": None,
        **parts,
        "completed_names": "",
        "attempt": 1,
        "request_key": sha256_hex(response),
        "model_id": model,
        "prompt_sha256": sha256_hex(""),
    }
