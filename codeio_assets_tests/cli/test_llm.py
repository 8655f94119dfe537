"""The commands about language models: what the present tables rest on."""

import json
from pathlib import Path

import pytest

from codeio_assets.cli.llm import referenced_keys
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.project import Project
from codeio_assets.store import Warehouse
from codeio_assets_tests.steps.answered_tasks import RIGHT, WRONG, Task, fill, row


def test_every_table_that_asked_a_model_keeps_its_responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path))
    warehouse: Warehouse = fill(tmp_path / "warehouse", [Task(1, turns=[WRONG, RIGHT])])
    labels = [content_id(label=number) for number in range(3)]
    rows = [row("file_labels", request_keys_json=json.dumps(keys)) for keys in (labels[:2], labels[2:])]
    warehouse.write("file_labels", "s-0000", {"file_labels": frame("file_labels", rows)})
    asked = {
        key
        for table in ("predictions", "revised_predictions")
        for key in warehouse.read(table, columns=["request_key"]).to_series().to_list()
    }
    assert len(asked) >= 1
    assert referenced_keys(Project.find()) == asked | set(labels)
