"""What the store's tests run in processes of their own, forked from a server that has imported everything.

A fork server and not a plain fork: polars and DuckDB keep threads, and a fork of a process with threads can hang.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from itertools import cycle
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, rejections

SIZES = (3, 400)
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.utime", "os.link", "os.rmdir")


def context() -> ForkServerContext:
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["__main__", __name__])
    return made


def opened(root: Path) -> Warehouse:
    """Open a warehouse in a folder, or in the object storage that a file beside it names, with the folder as cache."""
    place = root.with_name(f"{root.name}.place.json")
    if not place.exists():
        return Warehouse(root, threads=1)
    told = json.loads(place.read_text())
    os.environ.update(told["environment"])
    return Warehouse(root, threads=1, url=told["url"])


def write_partitions(root: Path, keys: list[str], rounds: int) -> int:
    warehouse = opened(root)
    _wait_for(root / "go")
    for turn in range(rounds):
        for key in keys:
            warehouse.write(ASSET, key, commit(SIZES[turn % 2]))
    return rounds * len(keys)


def read_until_stopped(root: Path, seed: int) -> int:
    """Return how many reads went well; the first that does not raises."""
    warehouse = opened(root)
    _wait_for(root / "go")
    reads = 0
    while not (root / "stop").exists():
        if (reads + seed) % 2:
            mixed = warehouse.sql(
                "select part, p.n, r.n as side from (from io_pairs select part, count(*) n group by part) p "
                "full join (from io_pairs_rejections select part, count(*) n group by part) r using (part) "
                "where r.n is distinct from 2 * p.n or p.n not in ($small, $large)",
                small=SIZES[0],
                large=SIZES[1],
            )
            assert mixed.is_empty(), mixed
        else:
            assert len(warehouse.read(SIDE_TABLE)) % 2 == 0
            for key in warehouse.partitions(ASSET)[seed::7]:
                assert len(warehouse.read(ASSET, key)) in SIZES
        reads += 1
    return reads


def write_alternately(root: Path, started: Connection) -> None:
    """Replace one partition by one content and the other until killed; tell how many seconds the first write took."""
    warehouse = opened(root)
    contents = [commit(size) for size in SIZES]
    before = time.perf_counter()
    warehouse.write(ASSET, "made-0001", contents[0])
    started.send(time.perf_counter() - before)
    for content in cycle(reversed(contents)):
        warehouse.write(ASSET, "made-0001", content)


def write_and_die(root: Path, size: int, event: int) -> None:
    """Replace a partition, and kill this process right before its nth file operation."""
    warehouse = opened(root)
    content = commit(size)
    left = event

    def count(name: str, _: tuple[object, ...]) -> None:
        nonlocal left
        if name in FILE_EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    warehouse.write(ASSET, "made-0001", content)


def write_limited(root: Path, limit_bytes: int) -> str:
    """Replace a partition where no file may pass a size, as on a full disk; return the error's text."""
    warehouse = opened(root)
    content = {ASSET: commit(1)[ASSET], SIDE_TABLE: rejections(2000, detail=os.urandom(3000).hex())}
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        warehouse.write(ASSET, "made-0001", content)
    except StoreError as error:
        return str(error)
    return "no error"


def refresh_limited(root: Path, limit_bytes: int) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        opened(root).refresh_views()
    except StoreError as error:
        return str(error)
    return "no error"


def refresh_repeatedly(root: Path, key: str, rounds: int) -> None:
    warehouse = opened(root)
    for turn in range(rounds):
        warehouse.write(ASSET, key, commit(SIZES[turn % 2]))
        warehouse.refresh_views()


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


def commit_as_run(root: Path, run_id: str, began: str, go: str) -> str:
    """Begin as a step does, wait for a file, and commit as a candidate; return `done` or why it was refused."""
    warehouse = opened(root)
    began_with = warehouse.standing.latest(ASSET, "made-0001")
    (root / began).touch()
    _wait_for(root / go)
    try:
        warehouse.write(ASSET, "made-0001", commit(SIZES[0]), run_id=run_id, awaits_checks=True, replaces=began_with)
    except StoreError as error:
        return str(error)
    return "done"


def count_up(root: Path, rounds: int) -> int:
    """Add to one record by conditional puts; return how often this process did."""
    blobs = opened(root)._blobs
    _wait_for(root / "go")
    for _ in range(rounds):
        while True:
            stored = blobs.get("pins/count.json")
            number = int(stored.data or b"0") if stored else 0
            if blobs.put_if("pins/count.json", str(number + 1).encode(), stored.tag if stored else None):
                break
    return rounds
