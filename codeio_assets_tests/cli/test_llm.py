"""The commands about language models: what the present tables rest on, what a backfill will cost."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codeio_assets.cli.llm import app, referenced_keys
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.products.new_project import make_project
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


def test_an_estimate_needs_nothing_made_and_says_what_is_wrong_with_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    list(make_project(folder))
    for name, value in (("CODEIO_PROJECT", folder), ("CODEIO_HOME", folder / "var"), ("DAGSTER_HOME", folder / "dag")):
        monkeypatch.setenv(name, str(value))
    (folder / "bare").mkdir()
    sources = folder / "sources.yaml"
    right = sources.read_text()
    for wrong, told in (
        (right.replace("path: code", "path: gone"), "gone does not exist"),
        (right.replace("path: code", "path: bare"), "no shard"),
    ):
        sources.write_text(wrong)
        with pytest.raises(SettingsError, match=told):
            CliRunner().invoke(app, ["estimate"], catch_exceptions=False)
    sources.write_text(right)
    done = CliRunner().invoke(app, ["estimate"], catch_exceptions=False)
    assert "ours-0000" in done.output
    assert "\n10 requests to send" in done.output
