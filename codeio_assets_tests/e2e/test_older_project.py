"""A project that the release 0.1.0 made, moved to another folder: what was paid for then is there today."""

import json
from pathlib import Path

import duckdb
import pytest

from codeio_assets.llm import Journal
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets.store import Warehouse
from codeio_assets_tests.e2e.older_project import OlderProject, unpack

ASKED = ("transform_attempts", "predictions", "revised_predictions")
"""Tables whose rows name a response."""


@pytest.fixture
def older(tmp_path: Path) -> OlderProject:
    return unpack(tmp_path)


def test_status_tells_how_far_it_is(older: OlderProject) -> None:
    done = older.codeio("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 of 2 shards complete; 0 partitions failed" in done.stdout


def test_every_table_is_read(older: OlderProject) -> None:
    written, warehouse = older.written(), Warehouse(older.home / "warehouse")
    assert {table for table, _ in written} >= {"raw_code_files", "training_sets", "sft_stage2_checkpoint", "status"}
    assert {key: warehouse.read(*key).height for key in written} == written


def test_views_show_the_moved_files(older: OlderProject) -> None:
    warehouse = Warehouse(older.home / "warehouse")
    rows: dict[str, int] = {}
    for (table, _), count in older.written().items():
        rows[table] = rows.get(table, 0) + count
    with duckdb.connect(str(warehouse.refresh_views()), read_only=True) as database:
        shown = {table: database.execute(f'SELECT count(*) FROM "{table}"').fetchall()[0][0] for table in rows}
    assert shown == rows


def test_every_response_is_found(older: OlderProject) -> None:
    warehouse, journal = Warehouse(older.home / "warehouse"), Journal(older.home / "journal")
    assert journal.verify().problems == ()
    keys = {key for table in ASKED for key in warehouse.read(table)["request_key"] if key}
    assert len(keys) == 61
    assert keys <= set(journal.keys())


def test_it_is_upgraded_and_not_remade(older: OlderProject) -> None:
    before, settings = _checkpoints(older), older.home / "dagster" / "dagster.yaml"
    done = older.codeio("upgrade")
    assert done.returncode == 0, done.stderr
    assert "24 partition(s) keep their rows; their checks run at the next command" in done.stdout
    remade = "training_sets (1), shard_reports (2), quality_report (1), status (1)"
    assert f"from recorded responses: {remade}\n" in done.stdout
    assert settings.read_bytes() == (INSTALLED_ROOT / "dagster.yaml").read_bytes()
    assert older.codeio("upgrade").stdout == "nothing to do: the project is of this release\n"
    done = older.codeio("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for asset in ("unified_functions[puzzles_and_games-0000]", "io_pairs[puzzles_and_games-0000]"):
        assert f"{asset}  checked again" in done.stdout
    for number in (1, 2):  # tokenised sets are new: the trainer looks, and finds what it would train
        assert f"sft_stage{number}_checkpoint[demo]  1 in, 1 out" in done.stdout
    assert _checkpoints(older) == before
    assert "\n0 partitions made" in older.codeio("demo").stdout


def test_files_that_a_person_changed_are_left_alone_and_named(older: OlderProject) -> None:
    own = older.root / "sql" / "views" / "_table.sql"
    own.write_text(own.read_text("utf-8") + "-- mine\n")
    done = older.codeio("upgrade")
    assert "changed by you, so left alone; compare with the shipped ones: sql/views/_table.sql" in done.stdout
    assert own.read_text("utf-8").endswith("-- mine\n")


def test_nothing_is_asked_or_trained_again(older: OlderProject) -> None:
    """With the answers of models out of the tables, everything is made again from the journal, and no step is trained.

    No server could answer, and a checkpoint that is trained again has another time in its manifest.
    """
    assert older.codeio("upgrade").returncode == 0
    before = _checkpoints(older)
    written = older.written()
    for asset in ("unified_functions", "predictions"):
        older.forget(asset)
    done = older.codeio("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 partitions made" not in done.stdout
    now = older.written()
    assert {key: now[key] for key in written if key[0] in ASKED} == {
        key: rows for key, rows in written.items() if key[0] in ASKED
    }
    assert _checkpoints(older) == before


def _checkpoints(older: OlderProject) -> dict[str, object]:
    paths = sorted((older.home / "checkpoints" / "demo").glob("stage*/manifest.json"))
    assert len(paths) == 2
    return {str(path): json.loads(path.read_text("utf-8")) for path in paths}
