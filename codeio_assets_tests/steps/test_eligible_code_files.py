import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.project import Source
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.sandbox import Sandbox
from codeio_assets.sources.shards import Shard, ShardItem, file_id
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.file_labels import PROMPTS, label_files, no_labels
from codeio_assets.steps.result import StepResult
from codeio_assets_tests.steps.answered_tasks import row
from codeio_assets_tests.steps.scripted import Reply, ScriptedClient, ended

FILE = "def double(number):\n    result = number\n    result += number\n    return result\n"
RIGHT = "```python\ndef double(number):\n    return 2 * number\n```"
WRONG = "```python\ndef double(number):\n    return number\n```"
GENERATOR = "```python\nimport random\ndef input_generator():\n    return {'number': random.randint(1, 99)}\n```"


def source(**filters: Any) -> Source:
    return Source(kind="directory", path=Path("x"), filters={"min_chars": 0, **filters})  # type: ignore[arg-type]


def raw(*items: ShardItem, license_: str | None = "mit", content: str = FILE) -> tuple[pl.DataFrame, Shard]:
    rows = [
        row(
            "raw_code_files",
            file_id=file_id("s", item),
            source="s",
            path=item.path,
            content=content,
            license=license_,
            content_sha256=item.content_sha256,
        )
        for item in items
    ]
    return frame("raw_code_files", rows), Shard("s-0000", "s", items)


def item(name: str = "a.py", **kin: Any) -> ShardItem:
    return ShardItem("", name, "0" * 64, "0" * 64, **kin)


def selected(of: Source, files: pl.DataFrame, shard: Shard, labels: pl.DataFrame | None = None) -> StepResult:
    result = select_eligible(files, frame("file_labels", []) if labels is None else labels, shard, of.filters)
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    return result


class TestRules:
    @pytest.mark.parametrize(
        ("filters", "kin", "reason"),
        [
            ({}, {}, None),
            ({}, {"duplicate_of": "s-0000:b.py", "nearest": "s-0000:b.py", "similarity": 1.0}, "duplicate_content"),
            ({"exact_duplicates": False}, {"duplicate_of": "s-0000:b.py"}, None),
            ({}, {"nearest": "s-0000:b.py", "similarity": 0.9}, None),
            ({"near_duplicates": True}, {"nearest": "s-0000:b.py", "similarity": 0.9}, "near_duplicate"),
            ({"licenses": {"allow": ["MIT"]}}, {}, None),
            ({"licenses": {"allow": ["apache-2.0"]}}, {}, "license_not_allowed"),
            ({"categories": {}}, {}, "no_category"),
            ({"difficulty": {}}, {}, "no_completion"),
            ({"min_chars": 500}, {"duplicate_of": "s-0000:b.py"}, "too_short"),
        ],
    )
    def test_each_can_be_switched(self, filters: dict[str, Any], kin: dict[str, Any], reason: str | None) -> None:
        result = selected(source(**filters), *raw(item(**kin)))
        assert result.dropped_by_reason == ({reason: 1} if reason else {})

    @pytest.mark.parametrize(("allow_unknown", "dropped"), [(True, {}), (False, {"license_unknown": 1})])
    def test_unknown_licences(self, allow_unknown: bool, dropped: dict[str, int]) -> None:
        of = source(licenses={"allow": ["mit"], "allow_unknown": allow_unknown})
        assert selected(of, *raw(item(), license_=None)).dropped_by_reason == dropped

    @pytest.mark.parametrize(
        ("category", "successes", "reason"),
        [
            ("math", 1, None),
            ("math", 9, None),
            ("math", 0, "too_hard"),
            ("math", 10, "too_easy"),
            ("algorithms", 5, "category_left_out"),
            ("non_reasoning", 5, "category_left_out"),
        ],
    )
    def test_labels_decide(self, category: str, successes: int, reason: str | None) -> None:
        files, shard = raw(item())
        labels = frame(
            "file_labels",
            [row("file_labels", file_id=files["file_id"][0], category=category, trials=10, successes=successes)],
        )
        result = selected(source(categories={}, difficulty={}), files, shard, labels)
        assert result.dropped_by_reason == ({reason: 1} if reason else {})

    def test_the_group_of_every_file_is_stored(self) -> None:
        kin = item("b.py", group_id="1" * 64, nearest="s-0000:a.py", similarity=0.9, bridged_groups=("2" * 64,))
        files, shard = raw(item(), kin)
        groups = {
            each["file_id"]: each
            for each in selected(source(), files, shard).tables["near_duplicate_groups"].to_dicts()
        }
        assert groups[file_id("s", shard.items[0])]["group_id"] == file_id("s", shard.items[0])
        assert groups[file_id("s", kin)]["group_id"] == "1" * 64
        assert groups[file_id("s", kin)]["bridged_groups_json"] == f'["{"2" * 64}"]'


class TestLabels:
    def label(self, sandbox: Sandbox, script: Any, content: str = FILE, **filters: Any) -> dict[str, Any]:
        files, shard = raw(item(), item("copy.py", duplicate_of="s-0000:a.py"), content=content)
        client = ScriptedClient(script)
        prompts = {name: load_prompt(name) for name in PROMPTS}
        result = label_files(files, shard, source(**filters).filters, client, sandbox, prompts=prompts)
        TABLES["file_labels"].validate(result.tables["file_labels"])
        (labelled,) = result.tables["file_labels"].to_dicts()  # the copy is never asked about
        assert labelled["file_id"] == file_id("s", shard.items[0])
        return labelled

    def test_a_category_is_asked_once(self, sandbox: Sandbox) -> None:
        label = self.label(sandbox, lambda _: "Math", categories={})
        assert (label["category"], label["trials"], label["detail"]) == ("math", 0, None)

    @pytest.mark.parametrize("reply", ["no idea", ended("failed", failure="status 500"), ended("truncated", "math")])
    def test_a_label_that_cannot_be_read_is_told(self, sandbox: Sandbox, reply: Reply) -> None:
        label = self.label(sandbox, lambda _: reply, categories={})
        assert label["category"] is None
        assert label["detail"].startswith("no label in a response that was ")

    def test_completions_are_judged_by_execution(self, sandbox: Sandbox) -> None:
        def script(request: ChatRequest) -> Reply:
            if "input_generator" in request.messages[-1].content:
                return GENERATOR
            assert "result += number" not in request.messages[-1].content
            return [RIGHT, WRONG, "no code", RIGHT][request.sampling.seed or 0]

        label = self.label(sandbox, script, difficulty={"trials": 4, "inputs": 3})
        assert (label["function_name"], label["trials"], label["successes"]) == ("double", 4, 2)
        assert len(set(json.loads(label["request_keys_json"]))) == 1 + 4

    def test_a_generator_may_use_names_of_the_file(self, sandbox: Sandbox) -> None:
        generator = GENERATOR.replace("99", "MOST")

        def script(request: ChatRequest) -> Reply:
            asked = request.messages[-1].content
            assert "input_generator" not in asked or 'exactly: "number"' in asked
            return generator if "input_generator" in asked else RIGHT

        label = self.label(sandbox, script, f"MOST = 9\n\n\n{FILE}", difficulty={"trials": 2, "inputs": 3})
        assert (label["trials"], label["successes"], label["detail"]) == (2, 2, None)

    def test_inputs_of_any_size_will_do(self, sandbox: Sandbox) -> None:
        content = FILE.replace("number\n    result += number", "sum(number)\n    result *= 2")
        generator = GENERATOR.replace("random.randint(1, 99)", "[random.randint(1, 99) for _ in range(30)]")
        right = "```python\ndef double(number):\n    return 2 * sum(number)\n```"
        reply = lambda request: generator if "input_generator" in request.messages[-1].content else right  # noqa: E731
        label = self.label(sandbox, reply, content, difficulty={"trials": 1, "inputs": 2})
        assert (label["trials"], label["successes"]) == (1, 1)

    @pytest.mark.parametrize(
        ("content", "reply", "detail"),
        [
            ("for x in [1]:\n    print(x)\n", GENERATOR, "no top-level function"),
            (FILE, "I cannot.", "no input_generator"),
            (FILE, "```python\ndef input_generator():\n    return {'other': 1}\n```", "the original ran on no input"),
        ],
    )
    def test_what_cannot_be_tried_says_why(self, sandbox: Sandbox, content: str, reply: str, detail: str) -> None:
        label = self.label(sandbox, lambda _: reply, content, difficulty={"trials": 2, "inputs": 2})
        assert (label["trials"], label["successes"]) == (0, 0)
        assert label["detail"].startswith(detail)

    def test_a_category_that_is_dropped_is_not_tried(self, sandbox: Sandbox) -> None:
        label = self.label(sandbox, lambda _: "algorithms", categories={}, difficulty={})
        assert (label["category"], label["trials"]) == ("algorithms", 0)

    def test_without_filters_nothing_is_labelled(self) -> None:
        assert no_labels().tables["file_labels"].is_empty()
        assert not source().filters.ask_a_model
        assert source(difficulty={}).filters.ask_a_model
