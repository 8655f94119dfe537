"""Snapshots, pins and garbage collection."""

import json
import os
import time
from pathlib import Path

import duckdb
import pytest

from codeio_assets.store import Snapshot, StoreError, Warehouse, layout
from codeio_assets.store.blobs import TEMPORARY, LocalBlobs
from codeio_assets.store.tombstones import Tombstones
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, pairs

KEY = "made-0001"
DAY_S = 86_400


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse", threads=1)


def age(warehouse: Warehouse, seconds: float) -> None:
    """Let time go by for what nothing names any more, and for leftovers."""
    for path in warehouse.root.rglob("*"):
        if path.parts[len(warehouse.root.parts)] == layout.TOMBSTONES and path.is_file():
            path.write_text(json.dumps({"since": json.loads(path.read_text())["since"] - seconds}))
        elif path.name.startswith(TEMPORARY):
            modified = path.stat().st_mtime - seconds
            os.utime(path, (modified, modified))


def test_a_snapshot_reads_the_same_rows_after_they_were_replaced(warehouse: Warehouse):
    warehouse.write(ASSET, "made-0001", commit(2))
    warehouse.write(ASSET, "made-0002", commit(3))
    snapshot = warehouse.snapshot()
    warehouse.write(ASSET, "made-0001", commit(9))
    warehouse.write(ASSET, "made-0003", commit(9))
    assert len(warehouse.read(ASSET)) == 21
    assert len(warehouse.read(ASSET, snapshot=snapshot)) == 5
    assert len(warehouse.read(ASSET, "made-0003", snapshot=snapshot)) == 0
    assert warehouse.sql("select count(*) from io_pairs", snapshot=snapshot).item() == 5
    with warehouse.connect(snapshot) as connection:
        assert connection.sql("select count(*) from io_pairs_rejections").fetchall() == [(10,)]


def test_a_snapshot_goes_to_json_and_back_and_its_id_is_its_content(warehouse: Warehouse):
    first = warehouse.write(ASSET, KEY, commit(2), run_id="one")
    snapshot = warehouse.snapshot()
    assert Snapshot.model_validate(snapshot.model_dump(mode="json")) == snapshot
    assert snapshot.versions == {f"{ASSET}/{KEY}": first.version}
    warehouse.write(ASSET, KEY, commit(2), run_id="two")
    assert warehouse.snapshot().id == snapshot.id
    assert warehouse.load_snapshot(warehouse.save_snapshot(snapshot)) == snapshot
    warehouse.write(ASSET, KEY, commit(3))
    assert warehouse.snapshot().id != snapshot.id


def test_a_snapshot_can_be_limited(warehouse: Warehouse):
    warehouse.write(ASSET, "made-0001", commit(2))
    warehouse.write(ASSET, "made-0002", commit(2))
    warehouse.write("eligible_code_files", "made-0001", {})
    assert set(warehouse.snapshot(assets=[ASSET]).versions) == {f"{ASSET}/made-0001", f"{ASSET}/made-0002"}
    assert set(warehouse.snapshot(partitions=["made-0001"]).versions) == {
        "eligible_code_files/made-0001",
        f"{ASSET}/made-0001",
    }
    only = warehouse.snapshot(tables=[SIDE_TABLE])
    assert [set(entry.tables) for entry in only.entries] == [{SIDE_TABLE}, {SIDE_TABLE}]


def test_replaced_versions_go_after_the_grace_and_live_ones_stay(warehouse: Warehouse):
    old = warehouse.write(ASSET, KEY, commit(2))
    warehouse.write(ASSET, KEY, commit(3))
    assert warehouse.collect_garbage().removed == ()
    age(warehouse, 2 * DAY_S)
    promised = warehouse.collect_garbage(dry_run=True)
    report = warehouse.collect_garbage()
    assert promised.removed == report.removed == tuple(sorted(table.file for table in old.tables.values()))
    assert report.removed_bytes == sum(table.bytes for table in old.tables.values())
    assert report.kept_live == 2
    assert warehouse.read(ASSET).equals(pairs(3))


def test_the_grace_counts_from_the_replacement(warehouse: Warehouse):
    """A reader may have resolved a version of last year a second before it was replaced."""
    warehouse.write(ASSET, KEY, commit(2))
    snapshot = warehouse.snapshot()
    age(warehouse, 365 * DAY_S)
    warehouse.write(ASSET, KEY, commit(3))
    assert warehouse.collect_garbage().removed == ()
    assert warehouse.read(ASSET, snapshot=snapshot).equals(pairs(2))


def test_pinned_versions_stay_until_unpinned(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    snapshot = warehouse.snapshot()
    warehouse.pin("training-set", snapshot)
    warehouse.write(ASSET, KEY, commit(3))
    age(warehouse, 2 * DAY_S)
    report = warehouse.collect_garbage()
    assert (report.removed, report.kept_live, report.kept_pinned) == ((), 2, 2)
    assert warehouse.pins() == {"training-set": snapshot.id}
    assert warehouse.read(ASSET, snapshot=warehouse.load_snapshot(snapshot.id)).equals(pairs(2))
    warehouse.unpin("training-set")
    assert len(warehouse.collect_garbage().removed) == 2
    with pytest.raises(StoreError, match="is gone"):
        warehouse.read(ASSET, snapshot=snapshot)


def test_a_snapshot_whose_files_are_gone_cannot_be_pinned(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    gone = warehouse.snapshot()
    warehouse.write(ASSET, KEY, commit(3))
    kept = warehouse.snapshot()
    warehouse.pin("mine", kept)
    warehouse.collect_garbage(grace_s=0)
    for name in ("mine", "new"):
        with pytest.raises(StoreError, match="2 of its files are gone"):
            warehouse.pin(name, gone)
    assert warehouse.pins() == {"mine": kept.id}


def test_a_pin_without_its_snapshot_stops_the_collection(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    snapshot = warehouse.snapshot()
    warehouse.pin("mine", snapshot)
    warehouse.write(ASSET, KEY, commit(3))
    (warehouse.root / "snapshots" / f"{snapshot.id}.json").unlink()
    with pytest.raises(StoreError, match="no snapshot"):
        warehouse.collect_garbage(grace_s=0)
    assert warehouse.read(ASSET, snapshot=snapshot).equals(pairs(2))


def test_leftovers_go_and_foreign_files_stay(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    folder = warehouse.root / "tables" / ASSET / f"part={KEY}"
    leftovers = [folder / ".tmp-1", warehouse.root / "manifests" / ASSET / ".tmp-2", warehouse.root / ".tmp-3"]
    foreign = [
        folder / "notes.txt",
        folder / "mine.parquet",
        warehouse.root / "data.csv",
        warehouse.root.parent / ".tmp-4",
    ]
    for path in leftovers + foreign:
        path.write_text("x")
    empty = warehouse.root / "tables" / "verdicts" / "part=gone-0001"
    empty.mkdir(parents=True)
    outside = warehouse.root.parent / "0123456789abcdef0123.parquet"
    outside.write_text("x")
    (folder / "0123456789abcdef0123.parquet").symlink_to(outside)
    assert warehouse.collect_garbage(grace_s=60).removed == ()
    warehouse.collect_garbage(grace_s=0)
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in [*foreign, outside])
    assert not empty.parent.exists()


def test_a_version_committed_again_while_it_is_collected_comes_back(warehouse: Warehouse, monkeypatch):
    """The collector has decided on an old file; in that moment a writer commits the same rows again."""
    warehouse.write(ASSET, KEY, commit(2))
    warehouse.write(ASSET, KEY, commit(3))
    age(warehouse, 2 * DAY_S)
    remove = Tombstones.remove
    committed: list[str] = []

    def commit_first(tombstones: Tombstones, file: str) -> bool:
        if not committed:
            committed.append(file)
            put_if = tombstones._blobs.put_if

            def put_after_a_commit(name: str, data: bytes, tag: str | None) -> str | None:
                monkeypatch.setattr(tombstones._blobs, "put_if", put_if)
                warehouse.write(ASSET, KEY, commit(2))
                return put_if(name, data, tag)

            monkeypatch.setattr(tombstones._blobs, "put_if", put_after_a_commit)
        return remove(tombstones, file)

    monkeypatch.setattr(Tombstones, "remove", commit_first)
    report = warehouse.collect_garbage()
    assert committed
    assert report.removed == ()
    assert warehouse.read(ASSET).equals(pairs(2))
    assert len(warehouse.read(SIDE_TABLE)) == 4


def test_a_file_that_is_being_removed_is_not_committed_again_and_the_next_collection_ends_the_work(
    warehouse: Warehouse, monkeypatch
):
    """A collection was killed between saying that it removes a file and removing it."""
    warehouse.write(ASSET, KEY, commit(2))
    warehouse.write(ASSET, KEY, commit(3))
    with monkeypatch.context() as killed:
        killed.setattr(LocalBlobs, "remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            warehouse.collect_garbage(grace_s=0)
    with pytest.raises(StoreError, match="being removed by a garbage collection"):
        warehouse.write(ASSET, KEY, commit(2))
    assert len(warehouse.read(ASSET)) == 3
    assert len(warehouse.collect_garbage().removed) >= 1
    warehouse.write(ASSET, KEY, commit(2))
    assert warehouse.read(ASSET).equals(pairs(2))


def test_what_nothing_ever_named_goes_a_grace_after_it_was_first_seen(warehouse: Warehouse):
    """A writer was killed before its commit, or an earlier release left it: there is no tombstone."""
    manifest = warehouse.write(ASSET, KEY, commit(2))
    (warehouse.root / layout.manifest_file(ASSET, KEY)).unlink()
    assert warehouse.collect_garbage(dry_run=True).kept_young == 2
    assert warehouse.collect_garbage().kept_young == 2
    age(warehouse, 2 * DAY_S)
    assert warehouse.collect_garbage().removed == tuple(sorted(table.file for table in manifest.tables.values()))
    assert not [path for path in (warehouse.root / layout.TOMBSTONES).rglob("*") if path.is_file()]


def test_a_read_resolves_again_when_its_files_were_collected(warehouse: Warehouse, monkeypatch):
    warehouse.write(ASSET, KEY, commit(2))
    resolve = warehouse._live.of_table
    times = 0

    def resolve_then_lose(*arguments):
        nonlocal times
        times += 1
        files = resolve(*arguments)
        if times == 1:
            warehouse.write(ASSET, KEY, commit(3))
            warehouse.collect_garbage(grace_s=0)
        return files

    monkeypatch.setattr(warehouse._live, "of_table", resolve_then_lose)
    assert warehouse.read(ASSET).equals(pairs(3))
    assert times == 2


def test_the_views_name_no_collected_file(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    path = warehouse.refresh_views()
    warehouse.write(ASSET, KEY, commit(3))
    warehouse.collect_garbage(grace_s=0)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql("select count(*) from io_pairs").fetchall() == [(3,)]


def test_many_quick_replacements_are_all_seen(warehouse: Warehouse):
    """Parsed manifests are kept; a replacement within the file system's clock tick must not be missed."""
    for size in (2, 3) * 20:
        warehouse.write(ASSET, KEY, {ASSET: pairs(size)})
        assert len(warehouse.read(ASSET)) == size
    time.sleep(1.1)
    assert len(warehouse.read(ASSET)) == len(warehouse.read(ASSET)) == 3
    warehouse.write(ASSET, KEY, {ASSET: pairs(2)})
    assert len(warehouse.read(ASSET)) == 2
