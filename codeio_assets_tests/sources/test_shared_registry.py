"""The registry in object storage: one for all machines, taken over from a folder, never written by two at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codeio_assets.core.settings.project import Sources
from codeio_assets.sources import ShardRegistry
from codeio_assets.sources.shards import Takedown
from codeio_assets.store import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.places import open_blobs
from codeio_assets_tests.store.s3_server import BUCKET, serving

SOURCES = Sources.model_validate({"sources": {"mine": {"kind": "directory", "path": "code", "shard_size": 2}}})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Blobs]]:
    pytest.importorskip("obstore", reason="object storage takes the extra `scale`: pip install -e '.[scale]'")
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield lambda name: open_blobs(tmp_path / name, f"s3://{BUCKET}/project").below("shards")


def write(base: Path, *numbers: int) -> None:
    (base / "code").mkdir(exist_ok=True)
    for number in numbers:
        (base / "code" / f"{number:03}.py").write_text(f"def f_{number}(a):\n    return [a, {number}]\n")


def test_what_one_machine_registers_all_see(machine: Callable[[str], Blobs], tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2)
    one, two = (ShardRegistry(tmp_path / "none", machine(name)) for name in "ab")
    assert [shard.key for shard in one.register_new(SOURCES, tmp_path)] == ["mine-0000", "mine-0001"]
    assert two.keys() == ["mine-0000", "mine-0001"]
    assert two.load("mine-0001") == one.load("mine-0001")
    assert two.register_new(SOURCES, tmp_path) == []
    write(tmp_path, 3)
    two.take_down(Takedown("003.py", "asked to", "now"))
    two.drop("mine-0000")
    assert [shard.key for shard in two.register_new(SOURCES, tmp_path)] == ["mine-0002"]
    assert (one.keys(), one.dropped(), len(one.taken_down("mine-0002"))) == (
        ["mine-0001", "mine-0002"],
        ["mine-0000"],
        1,
    )
    two.drop_source("mine")
    assert (one.keys(), one.dropped_sources()) == ([], ["mine"])
    with pytest.raises(KeyError, match="there is no shard 'mine-0001'"):
        one.load("mine-0001")
    assert not (tmp_path / "none").exists()


def test_what_a_folder_has_is_taken_over_once(machine: Callable[[str], Blobs], tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2, 3)
    local = ShardRegistry(tmp_path / "shards")
    local.register_new(SOURCES, tmp_path)
    local.drop("mine-0000")
    shared = ShardRegistry(tmp_path / "shards", machine("a"))
    write(tmp_path, 4)
    assert [shard.key for shard in shared.register_new(SOURCES, tmp_path)] == ["mine-0002"]
    assert shared.load("mine-0001") == local.load("mine-0001")
    assert shared.dropped() == ["mine-0000"]
    assert local.keys() == ["mine-0001"], "the folder stays as it was"


def test_of_two_registrations_at_once_that_saw_other_files_the_later_is_refused(
    machine: Callable[[str], Blobs], tmp_path: Path
) -> None:
    write(tmp_path, 1, 2)
    one, two = (ShardRegistry(tmp_path / "none", machine(name)) for name in "ab")

    def meanwhile(_line: str) -> None:
        write(tmp_path, 0)
        two.register_new(SOURCES, tmp_path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codeio_assets.sources.shards.TOLD_EVERY", 2)
        with pytest.raises(StoreError, match=r"mine-0000.json was made by another registration just now") as caught:
            one.register_new(SOURCES, tmp_path, meanwhile)
    assert "\n" not in str(caught.value)
    assert [item.path for item in one.load("mine-0000").items] == ["000.py", "001.py"]
    write(tmp_path, 3)
    (tmp_path / "code" / "003.py").write_text((tmp_path / "code" / "000.py").read_text() + "# a comment\n")
    (new,) = one.register_new(SOURCES, tmp_path)
    assert new.items[0].duplicate_of == "mine-0000:000.py", "kin is found by the signatures of who was first"
