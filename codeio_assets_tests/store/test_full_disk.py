"""No room: the error says where, the old version stays, nothing is left over."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.store import processes
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, pairs

KEY = "made-0001"


def assert_untouched(warehouse: Warehouse) -> None:
    assert warehouse.read(ASSET).equals(pairs(2))
    assert len(warehouse.read(SIDE_TABLE)) == 4
    assert not list(warehouse.root.rglob(".tmp-*"))


def run_limited(function, root: Path, limit_bytes: int) -> str:
    with ProcessPoolExecutor(1, mp_context=processes.context()) as pool:
        return pool.submit(function, root, limit_bytes).result()


@pytest.mark.parametrize("limit_bytes", [0, 100, 1_500])
def test_a_file_that_may_not_grow_leaves_the_old_version(tmp_path: Path, limit_bytes: int):
    warehouse = Warehouse(tmp_path)
    warehouse.write(ASSET, KEY, commit(2))
    message = run_limited(processes.write_limited, tmp_path, limit_bytes)
    assert message.startswith(f"No room to write below {tmp_path}/tables/")
    assert "MiB are free" in message
    assert_untouched(warehouse)


def test_views_that_do_not_fit_leave_the_old_ones(tmp_path: Path):
    warehouse = Warehouse(tmp_path)
    warehouse.write(ASSET, KEY, commit(2))
    before = warehouse.refresh_views().read_bytes()
    message = run_limited(processes.refresh_limited, tmp_path, 4096)
    assert message.startswith(f"Cannot write {tmp_path / 'warehouse.duckdb'}")
    assert (tmp_path / "warehouse.duckdb").read_bytes() == before
    assert_untouched(warehouse)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_the_old_version_and_work_goes_on_with_room(small_disk: Path):
    warehouse = Warehouse(small_disk)
    warehouse.write(ASSET, KEY, commit(2))
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 200_000)
    big = pairs(9_000)
    with pytest.raises(StoreError, match=r"No room to write below .*disk/tables/.* 0\.\d MiB are free"):
        warehouse.write(ASSET, KEY, {ASSET: big})
    assert_untouched(warehouse)
    filler.unlink()
    warehouse.write(ASSET, KEY, {ASSET: pairs(100)})
    assert len(warehouse.read(ASSET)) == 100
