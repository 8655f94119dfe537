"""What has not changed by name, size and time is not read again; a shard of a large file reads its own lines alone."""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from codeio_assets.core.settings.project import Sources
from codeio_assets.sources import ShardRegistry, shard_reading, shards
from codeio_assets.sources.reading import RawItem, read_items
from codeio_assets.sources.shard_reading import read_shard

LONG_AGO = time.time() - 1_000


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))


def sources_of(**fields: object) -> Sources:
    return Sources.model_validate({"sources": {"mine": {"filters": {"min_chars": 0}, **fields}}})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files whose content is read from now on."""
    seen: list[str] = []

    def watched(source: object, base: Path, path: Path) -> Iterator[RawItem]:
        seen.append(path.name)
        return read_items(source, base, path)  # type: ignore[arg-type]

    for module in (shards, shard_reading):
        monkeypatch.setattr(module, "read_items", watched)
    return seen


DIRECTORY = {"kind": "directory", "path": "code", "shard_size": 2}


def test_only_new_and_changed_files_are_read(tmp_path: Path, read: list[str]) -> None:
    registry, sources = ShardRegistry(tmp_path / "shards"), sources_of(**DIRECTORY)
    for name in "abc":
        write(tmp_path / "code" / f"{name}.py", f"def {name}(x):\n    return x\n")
    first = registry.pending(sources, tmp_path)
    assert first
    assert registry.pending(sources, tmp_path) == first
    assert len(registry.register_new(sources, tmp_path)) == 2
    assert (read, registry.pending(sources, tmp_path)) == (["a.py", "b.py", "c.py"], None)
    read.clear()
    assert registry.register_new(sources, tmp_path) == []
    write(tmp_path / "code" / "d.py", "def d(x):\n    return [x]\n")
    write(tmp_path / "code" / "a.py", "def a(x):\n    return x + 1\n")
    second = registry.pending(sources, tmp_path)
    assert second not in (None, first)
    assert [len(shard.items) for shard in registry.register_new(sources, tmp_path)] == [2]
    assert read == ["a.py", "d.py"]
    os.utime(tmp_path / "code" / "b.py", (LONG_AGO + 1, LONG_AGO + 1))
    assert registry.register_new(sources, tmp_path) == [], "touched, and the same"
    assert registry.pending(sources, tmp_path) is None


def test_a_listing_counts_for_its_settings_and_shards_only(tmp_path: Path, read: list[str]) -> None:
    registry = ShardRegistry(tmp_path / "shards")
    write(tmp_path / "code" / "a.py", "def a(x):\n    return x\n")
    registry.register_new(sources_of(**DIRECTORY), tmp_path)
    assert registry.pending(sources_of(**DIRECTORY, license="mit"), tmp_path)
    (tmp_path / "shards" / "mine-0000.json").unlink()
    assert registry.pending(sources_of(**DIRECTORY), tmp_path)
    assert [shard.key for shard in registry.register_new(sources_of(**DIRECTORY), tmp_path)] == ["mine-0000"]


def test_a_file_that_may_still_change_within_its_time_stamp_is_read_again(tmp_path: Path, read: list[str]) -> None:
    registry, sources = ShardRegistry(tmp_path / "shards"), sources_of(**DIRECTORY)
    write(tmp_path / "code" / "a.py", "def a(x):\n    return x\n")
    os.utime(tmp_path / "code" / "a.py")
    registry.register_new(sources, tmp_path)
    assert registry.pending(sources, tmp_path)


def test_two_registrations_at_once_give_each_file_one_shard(tmp_path: Path) -> None:
    sources = sources_of(**DIRECTORY)
    for number in range(20):
        write(tmp_path / "code" / f"{number:02}.py", f"def f(x):\n    return x + {number}\n")
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(ShardRegistry(tmp_path / "shards").register_new, sources, tmp_path) for _ in range(4)]
    assert sorted(len(each.result()) for each in made) == [0, 0, 0, 10]


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "TOLD_EVERY", 2)
    for number in range(5):
        write(tmp_path / "code" / f"{number}.py", f"def f(x):\n    return x + {number}\n")
    told: list[str] = []
    ShardRegistry(tmp_path / "shards").register_new(sources_of(**DIRECTORY), tmp_path, told.append)
    assert told[0] == "mine: 2 items read, 1 of them new"
    assert told[-1] == "5 new items are compared with all before them"


ROWS = [{"content": f"def f(x):\n    return x + {number}\n"} for number in range(9)]


def as_lines(path: Path, rows: list[dict[str, str]]) -> None:
    write(path, "\n".join(["", *map(json.dumps, rows[:4]), "{broken", *map(json.dumps, rows[4:])]) + "\n")


def as_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pl.DataFrame(rows).write_parquet(path, row_group_size=2)
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize(("kind", "save"), [("jsonl", as_lines), ("parquet", as_parquet)])
def test_a_shard_of_a_large_file_reads_its_own_items_alone(tmp_path: Path, read: list[str], kind: str, save) -> None:
    path = tmp_path / f"code.{kind}"
    save(path, ROWS)
    sources = sources_of(kind=kind, path=path.name, shard_size=3)
    registry = ShardRegistry(tmp_path / "shards")
    made = registry.register_new(sources, tmp_path)
    assert len(made) >= 3
    source = sources.sources["mine"]
    everything = {item.path: item for item in read_items(source, tmp_path, path)}
    read.clear()
    for key in registry.keys():  # noqa: SIM118  (a registry, not a dict)
        for item, raw in read_shard(registry.load(key), source, tmp_path):
            assert raw == everything[item.path]
    assert read == []
    save(path, ROWS[1:])
    shard = registry.load("mine-0001")
    found = [raw for _, raw in read_shard(shard, source, tmp_path)]
    assert read == [path.name], "what moved is looked for in the whole file"
    assert all(raw is not None for raw in found)


def test_shards_of_earlier_releases_know_no_places(tmp_path: Path, read: list[str]) -> None:
    as_lines(tmp_path / "code.jsonl", ROWS)
    sources = sources_of(kind="jsonl", path="code.jsonl")
    registry = ShardRegistry(tmp_path / "shards")
    registry.register_new(sources, tmp_path)
    stored = json.loads((tmp_path / "shards" / "mine-0000.json").read_text())
    for item in stored["items"]:
        del item["at"]
    (tmp_path / "shards" / "mine-0000.json").write_text(json.dumps(stored))
    read.clear()
    found = list(read_shard(registry.load("mine-0000"), sources.sources["mine"], tmp_path))
    assert read == ["code.jsonl"]
    assert all(raw is not None for _, raw in found)
