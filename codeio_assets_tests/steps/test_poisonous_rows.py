"""Whatever one row provokes, the other rows of its shard end well: a poisonous row of every known kind among good ones.

Each step is given good rows with one poisonous row after each; what comes of the good ones is what they give alone.
"""

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.method.cot_quality import Cot, find_flaws
from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.project import InstructionSource, ModelCall, Sampling, Split
from codeio_assets.core.settings.quality import CotRules
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.sandbox import Sandbox
from codeio_assets.steps.cot_flaws import Responses, review_cots
from codeio_assets.steps.instruction_data import collect_conversations
from codeio_assets.steps.io_pairs import sample_pairs
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.predictions import predict
from codeio_assets.steps.published_data_audit import Case, audit_published
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.revised_predictions import Asked, Reviser, revise
from codeio_assets.steps.unified_functions import Transformer, transform_files
from codeio_assets.steps.verdicts import Evidence, judge
from codeio_assets_tests.steps.answered_tasks import Task, Turn, fill, made, recipe
from codeio_assets_tests.steps.scripted import ScriptedClient, files, functions, pairs, transform_response

CALL = ModelCall(temperature=0.5, max_tokens=50)
GENERATOR = "import random\ndef input_generator():\n    return {'a': random.randint(0, 99)}"
LONG_HEX = "0x" + "f" * 5_000
NESTED = "[" * 980 + "1" + "]" * 980

POISONOUS_TEXTS = {
    "nested too deep": f'{{"output": {NESTED}, "input": {{"a": {NESTED}}}}}',
    "objects side by side": '{"output": {"a": 1}, {"b": 2}, {"c": 3}}',
    "objects side by side, input": '{"input": {"a": 1}, {"b": 2}, {"c": 3}}',
    "a list after null": '{"output": null, [{"total": 22.4}, {"rows": 10}]]}',
    "long integer": f'{{"output": {"9" * 5_000}, "input": {{"a": {"9" * 5_000}}}}}',
    "half a character": 'so \ud83d {"output": "\\ud83d", "input": {"a": "\\ud83d"}}',
    "NUL": '\0{"output": "\0", "input": {"a": "\\u0000"}}',
    "blanks after a fence": "```" + " " * 100_000 + "x",
    "fences": "```\n" * 25_000,
    "braces": '{"output": ' * 20_000,
    "quotation marks": "'\"" * 50_000,
    "backslashes": '{"output": "' + "\\" * 100_001 + '"}',
    "reasoning that never ends": "<think>" * 10_000,
    "not a number": '{"output": NaN, "input": {"a": NaN}}',
    "nothing": "",
}
PLUS = "+" * 400
POISONOUS_CODE = {
    "plus signs in a decorator": f"@({PLUS}max)\ndef helper(x):\n    return x\n",
    "a long integer in a decorator": f"@max({LONG_HEX})\ndef helper(x):\n    return x\n",
    "a long integer": f"helper = {LONG_HEX}\n",
    "brackets": f"helper = {'[' * 150}{']' * 150}\n",
    "a name that is global too late": "helper = 1\n",
    "half a character": "helper = '\ud83d'\n",
    "carriage returns": "# one\rhelper = 2\r",
    "a form feed": "\f\nhelper = 3\n",
    "line separators": "'''\u2028'''\nhelper = 4\n",
    "too many brackets": f"helper = {'(' * 3_000}{')' * 3_000}\n",
    "NUL": "helper = '\0'\n",
}


def checked(result: StepResult) -> StepResult:
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    return result


def test_transform(sandbox: Sandbox) -> None:
    uses = transform_response("def main_solution(a):\n    return helper", GENERATOR)
    late = transform_response("helper = 1\ndef main_solution(a):\n    return helper + a", f"global helper\n{GENERATOR}")
    good = transform_response("def main_solution(a):\n    return a + 1", GENERATOR)
    replies = [*POISONOUS_TEXTS.values(), uses.replace("`a`", "`a\ud83d`"), late]
    contents = [code for code in POISONOUS_CODE.values() if "\ud83d" not in code] + ["x = 1\n"] * len(replies)
    said = [*[uses] * (len(contents) - len(replies)), *replies, good]
    contents = [f"{code}# file {number} ends\n" for number, code in enumerate([*contents, "y = 2\n"])]

    def script(request: ChatRequest) -> str:
        return next(text for number, text in enumerate(said) if f"# file {number} ends" in request.messages[-1].content)

    client = ScriptedClient(script)
    prompts = {name: load_prompt(name) for name in ("transform", "transform_repair")}
    result = checked(transform_files(files(*contents), Transformer(client, sandbox, prompts, CALL, 1)))
    assert result.items_in == len(contents)
    kept = {row["path"] for row in result.tables["unified_functions"].to_dicts()}
    assert f"{len(contents) - 1}.py" in kept


def test_sampling(sandbox: Sandbox) -> None:
    good = ("def main_solution(a):\n    return a + 1\n", GENERATOR)
    deep = ("def main_solution(a):\n    for _ in range(500): a = [a]\n    return a\n", GENERATOR)
    draws_deep = (good[0], "def input_generator():\n    a = 1\n    for _ in range(500): a = [a]\n    return {'a': a}")
    odd = [(f"{code}\ndef main_solution(a):\n    return a\n", GENERATOR) for code in POISONOUS_CODE.values()]
    odd = [(code.encode("utf-8", "replace").decode(), generator) for code, generator in odd]
    odd += [(f"def main_solution(a):\n    return {LONG_HEX}\n", GENERATOR), deep, draws_deep]
    made_functions = functions(*[each for poison in odd for each in (poison, good)])
    settings = Sampling.model_validate({"draws": 20, "draws_per_round": 10})
    result = checked(sample_pairs(made_functions, sandbox, settings, 3))
    kept = set(result.tables["io_pairs"]["function_id"])
    sound = {row["function_id"] for row in made_functions.to_dicts() if row["reference_code"] == good[0]}
    sound -= {row["function_id"] for row in made_functions.to_dicts() if row["input_generator"] != GENERATOR}
    assert len(sound) == len(odd)
    assert sound <= kept


class Shard:
    """A function with tasks: one for each poisonous text, and as many that get good answers."""

    def __init__(self) -> None:
        code = "def main_solution(a):\n    return a\n"
        self.functions = functions((code, "def input_generator(): return {}"))
        values = [(f'{{"a":{number}}}', str(number)) for number in range(2 * len(POISONOUS_TEXTS))]
        self.pairs = frame("io_pairs", pairs(self.functions.row(0, named=True), *values))
        prompts = {direction: load_prompt(f"predict_{direction}") for direction in ("input", "output")}
        self.tasks = checked(build_prediction_tasks(self.functions, self.pairs, prompts)).tables["prediction_tasks"]
        numbers = {row["pair_id"]: json.loads(row["input_json"])["a"] for row in self.pairs.to_dicts()}
        self.number_of = {row["task_id"]: numbers[row["pair_id"]] for row in self.tasks.to_dicts()}
        self.by_prompt = {
            row["prompt"]: (row["direction"], self.number_of[row["task_id"]]) for row in self.tasks.to_dicts()
        }

    def answer(self, request: ChatRequest) -> str:
        direction, number = self.by_prompt[request.messages[0].content]
        if number % 2:
            return json.dumps({direction: number if direction == "output" else {"a": number}})
        return list(POISONOUS_TEXTS.values())[number // 2]

    def judge(self, rows: pl.DataFrame, sandbox: Sandbox, table: str = "verdicts") -> StepResult:
        return checked(judge(Evidence(rows, self.tasks, self.pairs, self.functions), sandbox, "default", table))


def test_predictions_verdicts_revision_and_flaws(sandbox: Sandbox) -> None:
    shard = Shard()
    client = ScriptedClient(shard.answer)
    first = checked(predict(shard.tasks, client, CALL)).tables["predictions"]
    verdicts = shard.judge(first, sandbox).tables["verdicts"]
    status = {row["task_id"]: row["status"] for row in verdicts.to_dicts()}
    for task_id, number in shard.number_of.items():
        assert (status[task_id] == "correct") == bool(number % 2), (number, status[task_id])
    revised = checked(
        revise(
            Asked(shard.tasks, first, verdicts),
            Reviser(client, CALL, load_prompt("revise"), 1),
            lambda asked: shard.judge(asked, sandbox, "revised_verdicts"),
        )
    ).tables["revised_predictions"]
    assert len(revised) == 2 * len(POISONOUS_TEXTS)
    flaws = checked(review_cots(Responses(shard.functions, first, revised), CotRules.model_validate({})))
    assert len(flaws.tables["cot_flaws"]) == len(first) + len(revised)


@pytest.mark.parametrize("text", [text * (1 + 100_000 // max(1, len(text))) for text in POISONOUS_TEXTS.values()])
def test_reading_a_text_takes_time_in_proportion_to_its_length(text: str) -> None:
    cot = Cot(text, "output", reference_code="def main_solution(a):\n    return a\n" * 500, previous=text[:-1])
    started = time.process_time()
    find_flaws(cot, CotRules.model_validate({}))
    assert time.process_time() - started < 5.0


def test_assembly(tmp_path: Path) -> None:
    storable = [text.encode("utf-8", "backslashreplace").decode() for text in POISONOUS_TEXTS.values()]
    tasks = [Task(function=number, turns=(Turn(text),)) for number, text in enumerate(storable)]
    good = [Task(function=1_000 + number) for number in range(3)]
    result = made(fill(tmp_path / "warehouse", [*tasks, *good], 0), recipe(), Split(validation_ratio=0, test_ratio=0))
    assert len(result.samples) >= len(good)


def test_instruction_data(tmp_path: Path) -> None:
    good = [
        {"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": "b"}]} for n in range(20)
    ]
    poison = [
        b"[" * 100_000,
        NESTED.encode(),
        b'{"messages": "\xff"}',
        b'{"messages": [[[]]]}',
        b'{"n": ' + b"9" * 9_999 + b"}",
    ]
    poison += [
        json.dumps({"messages": [{"role": "user", "content": text}]}).encode() for text in POISONOUS_TEXTS.values()
    ]
    lines = [line for index, each in enumerate(poison) for line in (each, json.dumps(good[index % 20]).encode())]
    (tmp_path / "chats.jsonl").write_bytes(b"\n".join(lines))
    sources = {"chats": InstructionSource(path=Path("chats.jsonl"))}
    result = checked(collect_conversations(sources, tmp_path, Split(validation_ratio=0, test_ratio=0)))
    assert len(result.tables["instruction_data"]) == len(poison[:20])


def test_published_data(sandbox: Sandbox) -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    code = "def main_solution(a):\n    return a\n"
    poison = [
        Case(0, code, "main_solution", [{"input": {"a": deep}, "output": deep}]),
        Case(2, code, "main_solution", [{"input": [1], "output": 1}]),
        Case(4, f"x = {'(' * 3_000}\n{code}", "main_solution", [{"input": {"a": 1}, "output": 1}]),
        Case(6, code, "no name at all\0", [{"input": {"a": "\ud83d"}, "output": "\ud83d"}]),
        Case(8, f"def main_solution(a):\n    return {LONG_HEX}\n", "main_solution", [{"input": {"a": 1}, "output": 1}]),
    ]
    good = [Case(each.number + 1, code, "main_solution", [{"input": {"a": 1}, "output": 1}]) for each in poison]
    mixed = [each for pair in zip(poison, good, strict=True) for each in pair]
    rows = checked(audit_published(mixed, sandbox)).tables["published_data_audit"].to_dicts()
    results = {row["function_number"]: row["result"] for row in rows}
    assert all(results[each.number] == "reproduces" for each in good)
