"""How far statements found in free prose are to be trusted: real responses, each statement labelled by reading it.

`cases/grounding_labels.csv` has the labels and no text: where a statement of which response begins (in the reasoning),
and a hash of its words. The responses are public data outside the repository.
"""

import csv
import json
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from codeio_assets.core.method.grounding import ground, statements
from codeio_assets.core.method.traces import Trace, read_trace, values_by_name
from codeio_assets.core.values.intervals import wilson
from codeio_assets.sandbox import Job, Sandbox
from codeio_assets.sandbox.tracing import trace_job
from codeio_assets.steps.executing import REFERENCE

RESPONSES = Path(__file__).parents[3] / "shared" / "data" / "responses"
MODELS = ("Meta-Llama-3.1-8B-Instruct", "Qwen2.5-7B-Instruct", "deepseek-v2.5-0908")
ASKED = re.compile(r"\[PYTHON\]\n(?P<code>.*)\nassert (?P<call>f\(.*\)) == \?\?\n\[/PYTHON\]", re.DOTALL)
REASONING = re.compile(r'"reasoning"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)

Key = tuple[str, int, int, str]
"""Model, number of the question, place in the reasoning, hash of the words."""


def read_labels() -> dict[Key, str]:
    path = Path(__file__).parents[1] / "cases" / "grounding_labels.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return {
            (row["model"], int(row["id"]), int(row["place"]), row["words"]): row["label"]
            for row in csv.DictReader(lines)
        }


LABELS = read_labels()


def test_enough_statements_are_labelled() -> None:
    assert len(LABELS) >= 200
    assert Counter(LABELS.values()) == {"right": 119, "wrong": 91, "other": 26}


def reasoning_of(response: str) -> str:
    found = REASONING.search(response)
    try:
        return response if found is None else json.loads(found[1], strict=False)
    except ValueError:
        return response


@pytest.fixture(scope="module")
def found(sandbox: Sandbox) -> dict[Key, bool]:
    """Every statement of the 2,400 responses -> whether the execution bears it out."""
    if not RESPONSES.is_dir():
        pytest.skip("../shared/data is absent: no real responses to read")
    rows = {
        (model, int(row["id"].rpartition("#")[2])): row
        for model in MODELS
        for row in map(json.loads, (RESPONSES / f"crux_{model}.jsonl").read_text("utf-8").splitlines())
    }
    jobs: list[Job] = []
    for number, question in {number: row["question"] for (_, number), row in rows.items()}.items():
        asked = ASKED.search(question)
        assert asked is not None
        code = f"{asked['code']}\n\ndef the_call():\n    return {asked['call']}\n"
        jobs.append(trace_job(str(number), code, ["{}"], REFERENCE, entry="the_call"))
    traces: dict[int, Trace] = {}
    for job, [outcome] in sandbox.run_many(jobs):
        if outcome.status == "ok" and outcome.value_json is not None:
            traces[int(job.job_id)] = read_trace(outcome.value_json)
    said: dict[Key, bool] = {}
    for (model, number), row in rows.items():
        trace = traces.get(number)
        if trace is None or not trace.is_complete:
            continue
        prose = reasoning_of(row["response"])
        missing = ground(prose, trace).ungrounded
        for each in statements(prose, values_by_name(trace)):
            words = sha256(each.words.encode()).hexdigest()[:12]
            said[(model, number, each.place, words)] = each not in missing
    return said


def test_what_is_flagged_is_wrong_as_often_as_the_documentation_says(found: dict[Key, bool]) -> None:
    flagged = [key for key, is_grounded in found.items() if not is_grounded]
    unread = [key for key in flagged if key not in LABELS]
    assert not unread, f"read these in their context and label them: {unread[:5]}"
    labels = Counter(LABELS[key] for key in flagged)
    assert labels == {"wrong": 86}
    low, _ = wilson(labels["wrong"], len(flagged))
    assert low >= 0.95
    assert len({key[:2] for key in flagged}) == 27  # responses, which is what counts as independent


def test_what_is_extracted_speaks_of_the_execution(found: dict[Key, bool]) -> None:
    drawn = [LABELS[key] for key, is_grounded in found.items() if is_grounded and key in LABELS]
    assert Counter(drawn) == {"right": 114, "other": 1}


def test_coverage(found: dict[Key, bool]) -> None:
    assert len(found) == 556
    assert len({key[:2] for key in found}) == 304
