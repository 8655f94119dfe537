"""Damaged files and manifests, moved folders, full disks: who is concerned, and what is said."""

import contextlib
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from codeio_assets.store import StoreError, Warehouse, layout
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, pairs

ONE, TWO = "made-0001", "made-0002"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "warehouse", threads=1)
    warehouse.write(ASSET, ONE, commit(20))
    warehouse.write(ASSET, TWO, commit(30))
    return warehouse


def flip_a_bit(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data) * 8)
    data[at // 8] ^= 1 << at % 8
    path.write_bytes(data)


def test_every_bit_flip_is_seen_and_named(warehouse: Warehouse) -> None:
    manifest = warehouse.manifest(ASSET, ONE)
    assert manifest
    path = warehouse.root / manifest.tables[ASSET].file
    whole, snapshot, rng = path.read_bytes(), warehouse.snapshot(), random.Random(0)
    assert warehouse.verify().problems == ()
    for _ in range(250):
        flip_a_bit(path, rng)
        with pytest.raises(StoreError, match=str(path)):
            warehouse.require_whole(snapshot)
        (said,) = warehouse.damage(ASSET, ONE)
        assert said.startswith(f"The file {path} is damaged")
        assert warehouse.damage(ASSET, TWO) == []
        try:
            warehouse.read(ASSET)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017  (many flips are not seen by a reader)
        path.write_bytes(whole)
    assert warehouse.require_whole(snapshot) is snapshot


def test_damage_looks_at_the_last_commit_good_or_not(warehouse: Warehouse) -> None:
    waiting = warehouse.write(ASSET, ONE, commit(7), awaits_checks=True)
    flip_a_bit(warehouse.root / waiting.tables[ASSET].file, random.Random(2))
    (said,) = warehouse.damage(ASSET, ONE)
    assert waiting.tables[ASSET].file in said


def test_verify_reads_what_is_live_and_what_is_pinned(warehouse: Warehouse) -> None:
    before = warehouse.manifest(ASSET, ONE)
    assert before
    warehouse.pin("kept", warehouse.snapshot())
    warehouse.write(ASSET, ONE, commit(5))
    assert warehouse.verify().files == 6
    flip_a_bit(warehouse.root / before.tables[ASSET].file, random.Random(1))
    (warehouse.root / layout.manifest_file(ASSET, TWO)).write_text("{")
    found = warehouse.verify().problems
    assert len(found) == 2
    assert str(warehouse.root / layout.manifest_file(ASSET, TWO)) in found[0]
    assert str(warehouse.root / before.tables[ASSET].file) in found[1]


def test_a_damaged_manifest_concerns_its_own_partition_only(warehouse: Warehouse) -> None:
    path = warehouse.root / layout.manifest_file(ASSET, ONE)
    path.write_text("{" * 100_000)
    assert warehouse.read(ASSET, TWO).equals(pairs(30))
    assert warehouse.sql("select count(*) from io_pairs where part = 'made-0002'").item() == 30
    assert warehouse.sql("select count(*) from verdicts").item() == 0
    warehouse.write("verdicts_like", TWO, {})
    warehouse.write(ASSET, "made-0003", commit(1))
    with duckdb.connect(str(warehouse.refresh_views()), read_only=True) as connection:
        assert connection.sql("select count(*) from io_pairs where part = 'made-0003'").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match=f"The manifest manifests/{ASSET}/{ONE}.json is damaged"):
            connection.sql("select count(*) from io_pairs").fetchall()
    for use in (
        lambda: warehouse.read(ASSET),
        lambda: warehouse.read(SIDE_TABLE),
        lambda: warehouse.read(SIDE_TABLE, ONE),
        lambda: warehouse.snapshot([ASSET]),
        lambda: warehouse.sql("select count(*) from io_pairs"),
        lambda: warehouse.sql("select * from io_pairs_rejections where id = '000001'"),
    ):
        with pytest.raises(StoreError, match=f"{path} is damaged"):
            use()
    warehouse.collect_garbage(grace_s=0)
    path.unlink()
    warehouse.write(ASSET, ONE, commit(20))
    assert len(warehouse.read(ASSET)) == 51


def test_the_only_manifest_of_a_table_that_is_damaged_is_no_empty_table(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.write(ASSET, ONE, commit(2))
    (tmp_path / layout.manifest_file(ASSET, ONE)).write_text("")
    for table in (ASSET, SIDE_TABLE):
        with pytest.raises(StoreError, match="is damaged"):
            warehouse.read(table)
        with pytest.raises(StoreError, match="is damaged"):
            warehouse.sql(f"select count(*) from {table}")


READ = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('select count(*) from io_pairs').fetchall()[0][0])"


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
@pytest.mark.parametrize("name", ["moved", "with blanks [and] * marks"])
def test_a_folder_that_was_moved_or_copied_reads_its_own_files(warehouse: Warehouse, move, name: str) -> None:
    warehouse.refresh_views()
    assert not [path for path in warehouse.root.rglob("*") if path.is_file() and says(path, str(warehouse.root))]
    other = warehouse.root.parent / name
    move(warehouse.root, other)
    if move is shutil.copytree:
        Warehouse(other).write(ASSET, ONE, commit(1))
        Warehouse(other).refresh_views()
        shutil.rmtree(warehouse.root / "tables")
    expected = 31 if move is shutil.copytree else 50
    assert len(Warehouse(other).read(ASSET)) == expected
    for cwd, path in ((Path("/"), other / "warehouse.duckdb"), (other, Path("warehouse.duckdb"))):
        ended = subprocess.run(
            [sys.executable, "-c", READ, str(path)], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.stdout.strip() == str(expected), ended.stderr


def says(path: Path, text: str) -> bool:
    return text.encode() in path.read_bytes()


def test_who_attaches_the_views_tells_where_they_are(warehouse: Warehouse) -> None:
    views = warehouse.refresh_views()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{views}' as made (read_only)")
        connection.execute(f"set variable codeio_warehouse = '{warehouse.root}'")
        assert connection.sql("select count(*) from made.io_pairs").fetchall() == [(50,)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    subprocess.run(["umount", disk], check=True)


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as filler:
        while filler.write(b"x" * 4_096):
            pass


def test_collecting_garbage_makes_room_on_a_full_disk(small_disk: Path) -> None:
    warehouse = Warehouse(small_disk)
    for count in (4_000, 5_000, 6_000):
        warehouse.write(ASSET, ONE, {ASSET: pairs(count)})
    warehouse.refresh_views()
    fill(small_disk / "filler")
    with pytest.raises(StoreError, match=r"No room|Cannot write"):
        warehouse.refresh_views()
    report = warehouse.collect_garbage(grace_s=0)
    assert len(report.removed) == 2
    with duckdb.connect(str(small_disk / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.sql("select count(*) from io_pairs").fetchall() == [(6_000,)]


def test_a_read_only_disk_is_read_and_says_so_when_written(small_disk: Path) -> None:
    warehouse = Warehouse(small_disk)
    for count in (2, 3):
        warehouse.write(ASSET, ONE, commit(count))
    warehouse.refresh_views()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert len(warehouse.read(ASSET)) == 3
    assert warehouse.sql("select count(*) from io_pairs").item() == 3
    assert warehouse.verify().problems == ()
    for use in (
        lambda: warehouse.write(ASSET, ONE, commit(4)),
        warehouse.refresh_views,
        lambda: warehouse.pin("x", warehouse.snapshot()),
        lambda: warehouse.collect_garbage(grace_s=0),
    ):
        with pytest.raises(StoreError, match="Read-only file system") as caught:
            use()
        assert "\n" not in str(caught.value)
