"""What holds wherever the warehouse is: on a disk, and in object storage (an S3 server of ours)."""

import json
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from codeio_assets.store import CommitRefusedError, Finding, Manifest, StoreError, layout, records
from codeio_assets.store.cache import FileCache
from codeio_assets_tests.store import processes
from codeio_assets_tests.store.processes import SIZES, opened
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, pairs, rejections
from codeio_assets_tests.store.s3_server import BUCKET, S3Server, serving, serving_moto

KEY = "made-0001"
READ_TABLE = "raw_code_files_rejections"
KILLS = int(os.environ.get("CODEIO_KILLS", "30"))
"""`make test-kill` sets 100."""
MOTO_PYTHON = os.environ.get("CODEIO_MOTO_PYTHON", "")
"""An interpreter with `moto[server]`; `make test-moto` and `make test-kill` set it."""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    pytest.importorskip("obstore", reason="object storage takes the extra `scale`: pip install -e '.[scale]'")
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        _keep_place(tmp_path / "objects", server.environment)
        yield server


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[None]:
    with serving_moto(MOTO_PYTHON) as environment:
        _keep_place(tmp_path / "moto", environment)
        yield


def _keep_place(root: Path, environment: dict[str, str]) -> None:
    place = {"url": f"s3://{BUCKET}/warehouse", "environment": environment}
    root.with_name(f"{root.name}.place.json").write_text(json.dumps(place))
    root.mkdir()


@pytest.fixture(params=["disk", "objects", *(["moto"] if MOTO_PYTHON else [])])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder by which `processes.opened` opens the warehouse."""
    if request.param != "disk":
        request.getfixturevalue({"objects": "storage"}.get(request.param, request.param))
    (tmp_path / request.param).mkdir(exist_ok=True)
    return tmp_path / request.param


def test_what_is_written_is_read_listed_pinned_verified_and_collected(root: Path) -> None:
    warehouse = opened(root)
    first = warehouse.write(ASSET, KEY, commit(5), run_id="one")
    warehouse.write(ASSET, "made-0002", commit(3))
    warehouse.write("cot_flaws", KEY, {})
    assert (warehouse.assets(), warehouse.partitions(ASSET)) == (["cot_flaws", ASSET], [KEY, "made-0002"])
    assert warehouse.partitions(ASSET, "made-0002") == ["made-0002"]
    assert warehouse.read(ASSET, KEY).equals(pairs(5))
    assert warehouse.sql("select count(*) from io_pairs").item() == 8
    assert (warehouse.writer_of(SIDE_TABLE), warehouse.writer_of("verdicts")) == (ASSET, None)
    snapshot = warehouse.snapshot([ASSET])
    warehouse.pin("kept", snapshot)
    warehouse.write(ASSET, KEY, commit(9))
    other = opened(root)
    assert other.load_snapshot(other.pins()["kept"]) == snapshot
    assert other.verify().problems == ()
    assert other.collect_garbage(grace_s=0).kept_pinned == 2
    assert other.read(ASSET, snapshot=snapshot).height == 8
    other.unpin("kept")
    assert other.collect_garbage().kept_young == 2, "their grace began when they were pinned"
    assert set(other.collect_garbage(grace_s=0).removed) == {table.file for table in first.tables.values()}
    assert other.read(ASSET).height == 12


def test_a_candidate_becomes_live_when_its_checks_have_passed(root: Path) -> None:
    warehouse, other = opened(root), opened(root)
    manifest = warehouse.write(ASSET, KEY, commit(5), awaits_checks=True, replaces=None)
    assert other.manifest(ASSET, KEY) is None
    assert other.standing.candidate(ASSET, KEY) == manifest
    passed = [Finding(name, manifest.commit, True, True, "f") for name in ("a", "b")]
    assert not other.standing.conclude(manifest, passed[0], ["a", "b"])
    assert warehouse.standing.conclude(manifest, passed[1], ["a", "b"])
    assert other.manifest(ASSET, KEY) == manifest
    assert other.standing.candidate(ASSET, KEY) is None
    assert set(other.standing.findings(manifest)) == {"a", "b"}
    again = warehouse.write(ASSET, KEY, commit(6), awaits_checks=True, replaces=manifest)
    other.standing.record(ASSET, KEY, Finding("a", manifest.commit, False, True, "f"))
    assert other.standing.findings(again) == {}, "what is said of a replaced commit concerns nobody"
    with pytest.raises(CommitRefusedError, match="changed by another"):
        other.write(ASSET, KEY, commit(7), awaits_checks=True, replaces=manifest)
    assert other.read(ASSET).height == 5


def test_no_increment_is_lost(root: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=processes.context()) as pool:
        counting = [pool.submit(processes.count_up, root, 10) for _ in range(4)]
        (root / "go").touch()
        done = sum(each.result() for each in counting)
    stored = opened(root)._blobs.get("pins/count.json")
    assert stored is not None
    assert int(stored.data or b"") == done == 40


@pytest.mark.slow
def test_eight_writers_and_two_readers_never_fail(root: Path) -> None:
    keys = [f"made-{number:04}" for number in range(16)]
    with ProcessPoolExecutor(10, mp_context=processes.context()) as pool:
        writers = [pool.submit(processes.write_partitions, root, keys[i::8], 3) for i in range(8)]
        readers = [pool.submit(processes.read_until_stopped, root, seed) for seed in range(2)]
        (root / "go").touch()
        try:
            written = [writer.result() for writer in writers]
        finally:
            (root / "stop").touch()
        reads = [reader.result() for reader in readers]
    assert written == [6] * 8
    assert min(reads) > 0
    warehouse = opened(root)
    assert warehouse.partitions(ASSET) == keys
    assert len(warehouse.read(SIDE_TABLE)) == 16 * 2 * SIZES[0]


def test_of_two_writers_of_one_shard_and_of_an_orphan_beside_its_retry_one_is_refused(root: Path) -> None:
    """The machine of the first run is taken for dead, its retry commits, and then it goes on."""
    with ProcessPoolExecutor(2, mp_context=processes.context()) as pool:
        orphan = pool.submit(processes.commit_as_run, root, "orphan", "orphan-began", "orphan-go")
        processes._wait_for(root / "orphan-began")
        retry = pool.submit(processes.commit_as_run, root, "retry", "retry-began", "orphan-began")
        assert retry.result() == "done"
        (root / "orphan-go").touch()
        assert "was changed by another since this run began (run retry" in orphan.result()
    waiting = opened(root).standing.candidate(ASSET, KEY)
    assert waiting is not None
    assert waiting.run_id == "retry"


def test_a_commit_is_refused_when_what_it_was_made_from_was_made_anew_or_removed(root: Path) -> None:
    warehouse, other = opened(root), opened(root)
    read = warehouse.write("raw_code_files", KEY, {READ_TABLE: rejections(2)}, run_id="first")
    began_with = warehouse.write(ASSET, KEY, commit(2), read=[read])
    other.write("raw_code_files", KEY, {READ_TABLE: rejections(2)}, run_id="the same rows")
    own = warehouse.write(ASSET, KEY, commit(3), awaits_checks=True, replaces=began_with, read=[read])
    now = other.write("raw_code_files", KEY, {READ_TABLE: rejections(3)}, run_id="second")
    with pytest.raises(
        CommitRefusedError, match=r"raw_code_files\[made-0001\], .* was made anew by run second"
    ) as caught:
        warehouse.write(ASSET, KEY, commit(4), awaits_checks=True, replaces=own, read=[read])
    assert "\n" not in str(caught.value)
    assert other.standing.candidate(ASSET, KEY) == own
    assert warehouse.write(ASSET, KEY, commit(4), awaits_checks=True, replaces=own, read=[now]).tables[ASSET].rows == 4
    other.standing.retire("raw_code_files", KEY)
    with pytest.raises(CommitRefusedError, match="was removed since this run began"):
        warehouse.write(ASSET, KEY, commit(5), read=[now])


@pytest.mark.slow
def test_killed_at_random_points_the_old_or_the_new_version_is_there(root: Path) -> None:
    warehouse, delays = opened(root), random.Random(20250211)
    warehouse.write(ASSET, KEY, commit(SIZES[0]))
    seen: set[int] = set()
    for _ in range(KILLS):
        context = processes.context()
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=processes.write_alternately, args=(root, sender))
        process.start()
        receiver.poll(delays.uniform(0, 3) * receiver.recv())
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        manifest = warehouse.manifest(ASSET, KEY)
        assert manifest is not None
        wanted = commit(manifest.tables[ASSET].rows)
        assert all(warehouse.read(table, KEY).equals(wanted[table]) for table in wanted)
        seen.add(manifest.tables[ASSET].rows)
        warehouse.collect_garbage(grace_s=0)
    assert seen == set(SIZES), "the kills never met the second content"
    print(f"{root.name}: {KILLS} kills of a writer, each time the old or the new version was there, whole")


# -- object storage alone ----------------------------------------------------------------------------------------------


def test_a_storage_that_ignores_conditions_is_refused_in_one_line(storage: S3Server, tmp_path: Path) -> None:
    storage.ignores_conditions = True
    with pytest.raises(StoreError, match="ignores conditional puts") as caught:
        opened(tmp_path / "objects")
    assert "\n" not in str(caught.value)
    storage.ignores_conditions = False
    opened(tmp_path / "objects")


def test_an_outage_in_the_middle_is_told_in_one_line_and_loses_nothing(
    storage: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.store.objects.RETRIES", {"max_retries": 1})
    warehouse = opened(tmp_path / "objects")
    warehouse.write(ASSET, KEY, commit(2))
    storage.fails = True
    for use in (lambda: warehouse.write(ASSET, KEY, commit(3)), lambda: warehouse.read(ASSET), warehouse.snapshot):
        with pytest.raises(StoreError, match=r"s3://bucket/warehouse/.* cannot be used: .* 503") as caught:
            use()
        assert "\n" not in str(caught.value)
    storage.fails = False
    assert warehouse.read(ASSET).equals(pairs(2))
    warehouse.write(ASSET, KEY, commit(3))
    assert opened(tmp_path / "objects").read(ASSET).equals(pairs(3))


def test_a_commit_whose_answer_was_lost_is_known_again(storage: S3Server, tmp_path: Path) -> None:
    """The client sends the put again and is told that the record is another: its own."""
    warehouse = opened(tmp_path / "objects")
    first = warehouse.write(ASSET, KEY, commit(2), awaits_checks=True, replaces=None)
    storage.drops_answers = 1
    second = warehouse.write(ASSET, KEY, commit(3), awaits_checks=True, replaces=first)
    assert storage.drops_answers == 0
    assert opened(tmp_path / "objects").standing.candidate(ASSET, KEY) == second


def test_a_step_takes_few_requests_however_many_shards_there_are(storage: S3Server, tmp_path: Path) -> None:
    warehouse = opened(tmp_path / "objects")
    taken: list[int] = []
    for others in (2, 60):
        for number in range(others):
            warehouse.write(ASSET, f"other-{number:04}", {ASSET: pairs(1)})
        storage.requests.clear()
        step = opened(tmp_path / "objects")
        manifest = step.write(ASSET, KEY, commit(others), awaits_checks=True, replaces=step.standing.latest(ASSET, KEY))
        for name in ("a", "b", "c"):
            finding = Finding(name, manifest.commit, True, True, "f")
            step.standing.conclude(manifest, finding, ["a", "b", "c"])
        assert step.read(ASSET, KEY).height == others
        taken.append(len(storage.requests))
    assert max(taken) <= 25, storage.requests


def test_a_damaged_file_of_the_cache_is_fetched_again_and_a_damaged_object_is_told(
    storage: S3Server, tmp_path: Path
) -> None:
    warehouse = opened(tmp_path / "objects")
    manifest = warehouse.write(ASSET, KEY, {ASSET: pairs(400)})
    file = manifest.tables[ASSET].file
    (tmp_path / "objects" / file).write_bytes(b"torn")
    assert warehouse.read(ASSET).equals(pairs(400))
    storage.objects[f"warehouse/{file}"] = b"torn"
    assert "damaged (4 bytes)" in warehouse.verify().problems[0]
    (tmp_path / "objects" / file).unlink()
    with pytest.raises(StoreError, match="damaged"):
        warehouse.read(ASSET)


def test_the_cache_is_bounded_and_keeps_what_was_used_within_the_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FileCache(tmp_path, max_bytes=1_000)
    names = [layout.table_file(ASSET, KEY, f"{number:020x}") for number in range(6)]

    def add(name: str) -> None:
        with cache.making(name) as path:
            path.write_bytes(b"x" * 300)

    for name in names[:5]:
        add(name)
    assert all((tmp_path / name).exists() for name in names[:5]), "all were used just now"
    monkeypatch.setattr("codeio_assets.store.cache.IN_USE_S", 0.0)
    assert cache.has(names[0])
    add(names[5])
    left = [name for name in names if (tmp_path / name).exists()]
    assert left == [names[0], names[4], names[5]]
    assert not cache.has(names[1])
    assert not list(tmp_path.glob(".tmp-*"))


# -- all records of a folder in one file -------------------------------------------------------------------------------


def test_who_looks_at_all_manifests_opens_one_file_and_sees_every_change(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.store.rollups.LEAST", 3)
    warehouse = opened(root)
    keys = [f"made-{number:04}" for number in range(6)]
    for key in keys:
        warehouse.write(ASSET, key, {ASSET: pairs(1)})
    warehouse._blobs.put("manifests/io_pairs/made-0005.json", b"{")
    if warehouse._blobs.is_local:
        for path in (root / "manifests" / ASSET).iterdir():
            os.utime(path, (1, 1))  # a file that was changed just now is read anew, since it may change again
    for _ in range(2):
        assert [manifest.partition for manifest in looked(root)] == keys[:5]
    read: list[str] = []
    place = type(warehouse._blobs)
    get = place.get
    monkeypatch.setattr(place, "get", lambda self, name, unless=None: read.append(name) or get(self, name, unless))
    seen = looked(root)
    assert read == ["rollups/manifests/io_pairs.parquet", "manifests/io_pairs/made-0005.json"]
    assert seen == [warehouse.manifest(ASSET, key) for key in keys[:5]]
    changed = warehouse.write(ASSET, keys[2], {ASSET: pairs(2)})
    warehouse.standing.retire(ASSET, keys[3])
    now = looked(root)
    assert [manifest.partition for manifest in now] == [*keys[:3], keys[4]]
    assert now[2] == changed
    warehouse._blobs.put("rollups/manifests/io_pairs.parquet", b"torn")
    assert looked(root) == now
    assert "manifests/io_pairs/made-0005.json" in warehouse.verify().problems[0]


def looked(root: Path) -> list[Manifest]:
    """Return the manifests as a new process sees them."""
    records.forget()
    return [*opened(root).whole(ASSET)]
