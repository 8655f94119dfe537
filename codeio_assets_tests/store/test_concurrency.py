"""Many processes on one warehouse without locks, and processes killed at any moment."""

import random
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb
import pytest

from codeio_assets.store import Warehouse
from codeio_assets_tests.store import processes
from codeio_assets_tests.store.processes import SIZES
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit

KILLS = 120
KEY = "made-0001"


@pytest.mark.slow
def test_eight_writers_of_64_partitions_and_four_readers_never_fail(tmp_path: Path):
    keys = [f"made-{number:04}" for number in range(64)]
    with ProcessPoolExecutor(12, mp_context=processes.context()) as pool:
        writers = [pool.submit(processes.write_partitions, tmp_path, keys[i::8], 4) for i in range(8)]
        readers = [pool.submit(processes.read_until_stopped, tmp_path, seed) for seed in range(4)]
        (tmp_path / "go").touch()
        try:
            written = [writer.result() for writer in writers]
        finally:
            (tmp_path / "stop").touch()
        reads = [reader.result() for reader in readers]
    assert written == [32] * 8
    assert min(reads) > 0
    warehouse = Warehouse(tmp_path)
    assert warehouse.partitions(ASSET) == keys
    assert len(warehouse.read(ASSET)) == 64 * SIZES[1]
    assert len(warehouse.read(SIDE_TABLE)) == 64 * 2 * SIZES[1]


def test_writers_of_one_partition_leave_the_last_commit_whole(tmp_path: Path):
    with ProcessPoolExecutor(4, mp_context=processes.context()) as pool:
        writers = [pool.submit(processes.write_partitions, tmp_path, [KEY], 6) for _ in range(4)]
        (tmp_path / "go").touch()
        for writer in writers:
            writer.result()
    assert_whole(Warehouse(tmp_path))


@pytest.mark.slow
def test_killed_at_random_points_the_old_or_the_new_version_is_there(tmp_path: Path):
    warehouse = Warehouse(tmp_path)
    warehouse.write(ASSET, KEY, commit(SIZES[0]))
    delays = random.Random(20250211)
    seen: set[int] = set()
    for _ in range(KILLS):
        kill_a_writer(tmp_path, delays.uniform(0, 3))
        seen.add(assert_whole(warehouse))
        warehouse.collect_garbage(grace_s=0)
        assert files_of(tmp_path) == live_files(warehouse)
        assert_whole(warehouse)
    assert seen == set(SIZES), "the kills never met the second content"


@pytest.mark.slow
def test_killed_before_any_file_operation_the_old_or_the_new_version_is_there(tmp_path: Path):
    """Every point of a commit, one by one: what random delays may miss."""
    survivors: list[int] = []
    for event in range(1, 200):
        place = tmp_path / str(event)  # what was removed before would cost the next commit some operations more
        warehouse = Warehouse(place)
        warehouse.write(ASSET, KEY, commit(SIZES[0]))
        process = processes.context().Process(target=processes.write_and_die, args=(place, SIZES[1], event))
        process.start()
        process.join()
        survivors.append(assert_whole(warehouse))
        warehouse.collect_garbage(grace_s=0)
        assert files_of(place) == live_files(warehouse)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert len(survivors) > 10, "too few file operations were met"
    # One switch from old to new: the replacement of the manifest.
    assert survivors == sorted(survivors)
    assert set(survivors) == set(SIZES)


@pytest.mark.slow
def test_views_file_is_refreshed_by_many_while_it_is_read(tmp_path: Path):
    Warehouse(tmp_path).write(ASSET, "made-0000", commit(SIZES[0]))
    path = Warehouse(tmp_path).refresh_views()
    with ProcessPoolExecutor(3, mp_context=processes.context()) as pool:
        keys = [f"made-{number:04}" for number in range(1, 4)]
        running = [pool.submit(processes.refresh_repeatedly, tmp_path, key, 4) for key in keys]
        while not all(future.done() for future in running):
            with duckdb.connect(str(path), read_only=True) as connection:
                ((rows,),) = connection.sql("select count(*) from io_pairs").fetchall()
                assert rows >= SIZES[0]
            time.sleep(0.02)
        for future in running:
            future.result()
    with duckdb.connect(str(path), read_only=True) as connection:
        parts = connection.sql("select distinct part from io_pairs order by part").fetchall()
    assert parts == [("made-0000",), *((key,) for key in keys)], "the last refresh shows every commit"


def kill_a_writer(root: Path, delay_writes: float) -> None:
    """Kill a process that writes without pause; the delay is in durations of its first write, whatever the load."""
    context = processes.context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=processes.write_alternately, args=(root, sender))
    process.start()
    first_write_s = receiver.recv()
    time.sleep(delay_writes * first_write_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    receiver.close()
    sender.close()


def assert_whole(warehouse: Warehouse) -> int:
    """Assert that a partition holds one known content, table and side table of the same commit; return its size."""
    manifest = warehouse.manifest(ASSET, KEY)
    assert manifest is not None
    size = manifest.tables[ASSET].rows
    assert size in SIZES
    wanted = commit(size)
    for table in (ASSET, SIDE_TABLE):
        assert warehouse.read(table, KEY).equals(wanted[table])
    return size


def files_of(root: Path) -> set[str]:
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {name for name in found if not name.startswith((".locks/", "writers.json"))}


def live_files(warehouse: Warehouse) -> set[str]:
    manifest = warehouse.manifest(ASSET, KEY)
    assert manifest is not None
    return {f"manifests/{ASSET}/{KEY}.json", *(table.file for table in manifest.tables.values())}
