import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.settings.project import SettingsError, Sources
from codeio_assets.core.tables.data import frame
from codeio_assets.sources import Shard, ShardRegistry
from codeio_assets.sources.shard_reading import read_shard
from codeio_assets.sources.shards import file_id
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.raw_code_files import ingest_shard
from codeio_assets.steps.result import StepResult


class Workspace:
    """A folder with sources and a registry."""

    def __init__(self, base: Path, **sources: dict[str, Any]) -> None:
        self.base = base
        self.sources = Sources.model_validate(
            {"sources": {name: {"filters": {"min_chars": 0}, **fields} for name, fields in sources.items()}}
        )
        self.registry = ShardRegistry(base / "shards")

    def write(self, path: str, text: str) -> None:
        (self.base / path).parent.mkdir(parents=True, exist_ok=True)
        (self.base / path).write_text(text)

    def rows(self, path: str, *rows: dict[str, Any]) -> None:
        self.write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def register(self) -> list[str]:
        return [shard.key for shard in self.registry.register_new(self.sources, self.base)]

    def paths(self, key: str) -> list[str]:
        return [item.path for item in self.registry.load(key).items]

    def files(self, registry: str = "shards") -> dict[str, bytes]:
        """Return what is decided: not what was seen of the sources, which changes with every look."""
        paths = (path for path in (self.base / registry).rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in paths if "listings" not in path.parts and path.name != ".lock"}

    def ingest(self, key: str) -> StepResult:
        shard = self.registry.load(key)
        return ingest_shard(shard, self.sources.sources[shard.source], self.base)

    def eligible(self, key: str) -> StepResult:
        shard = self.registry.load(key)
        raw = self.ingest(key).tables["raw_code_files"]
        return select_eligible(raw, frame("file_labels", []), shard, self.sources.sources[shard.source].filters)


def code(number: int) -> str:
    return f"def f(a):\n    return a + {number}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path, mine={"kind": "directory", "path": "code", "shard_size": 2})
    for number, name in enumerate("acegi"):
        made.write(f"code/{name}.py", code(number))
    return made


class TestRegistration:
    def test_items_are_cut_in_the_order_of_the_source(self, folder: Workspace) -> None:
        keys = folder.register()
        assert keys == folder.registry.keys() == ["mine-0000", "mine-0001", "mine-0002"]
        assert [folder.paths(key) for key in keys] == [["a.py", "c.py"], ["e.py", "g.py"], ["i.py"]]

    def test_registering_again_finds_nothing(self, folder: Workspace) -> None:
        folder.register()
        before = folder.files()
        assert folder.register() == []
        assert folder.files() == before

    def test_two_registrations_over_the_same_files_are_the_same(self, folder: Workspace, tmp_path: Path) -> None:
        folder.register()
        one = folder.files()
        folder.registry = ShardRegistry(tmp_path / "other")
        folder.register()
        assert folder.files("other") == one

    def test_growth_never_changes_a_shard(self, folder: Workspace) -> None:
        folder.register()
        before = folder.files()
        folder.write("code/b.py", code(10))  # sorts between files of a full shard
        folder.write("code/z.py", code(11))
        folder.write("code/deep/er/x.py", code(12))
        assert folder.register() == ["mine-0003", "mine-0004"]
        assert [folder.paths(key) for key in ("mine-0003", "mine-0004")] == [["b.py", "deep/er/x.py"], ["z.py"]]
        assert folder.files().items() >= before.items()

    def test_removed_files_change_no_shard(self, folder: Workspace) -> None:
        folder.register()
        before = folder.files()
        (folder.base / "code/a.py").unlink()
        assert folder.register() == []
        assert folder.files() == before

    def test_a_new_source_and_a_new_shard_size_leave_the_old_shards(self, folder: Workspace) -> None:
        folder.register()
        before = folder.files()
        grown = Workspace(
            folder.base,
            other={"kind": "directory", "path": "more"},
            mine={"kind": "directory", "path": "code", "shard_size": 100},
        )
        grown.write("more/a.py", code(20))
        grown.write("code/j.py", code(21))
        assert grown.register() == ["other-0000", "mine-0003"]
        assert folder.files().items() >= before.items()

    def test_numbers_go_on_beyond_four_digits(self, folder: Workspace) -> None:
        folder.write("shards/mine-10000.json", json.dumps({"key": "mine-10000", "source": "mine", "items": []}))
        assert folder.register()[0] == "mine-10001"

    def test_a_missing_folder_is_told_and_nothing_is_written(self, folder: Workspace) -> None:
        broken = Workspace(
            folder.base,
            mine={"kind": "directory", "path": "code"},
            gone={"kind": "directory", "path": "gone"},
        )
        with pytest.raises(SettingsError, match="source gone"):
            broken.register()
        assert broken.registry.keys() == []

    def test_an_empty_folder_gives_no_shard(self, tmp_path: Path) -> None:
        empty = Workspace(tmp_path, mine={"kind": "directory", "path": "."})
        assert empty.register() == []

    @pytest.mark.parametrize("key", ["mine-0007", "nothing", "../mine-0000", "mine-1", ""])
    def test_an_unknown_key_says_how_to_find_the_known(self, folder: Workspace, key: str) -> None:
        folder.register()
        with pytest.raises(KeyError, match="`codeio shards` lists"):
            folder.registry.load(key)

    def test_other_files_in_the_folder_are_not_shards(self, folder: Workspace) -> None:
        folder.register()
        folder.write("shards/notes.json", "{}")
        folder.write("shards/.mine-0009.json.tmp", "{")
        assert len(folder.registry.keys()) == 3

    def test_shards_come_back_as_they_were(self, folder: Workspace) -> None:
        (shard, *_) = folder.registry.register_new(folder.sources, folder.base)
        assert isinstance(shard, Shard)
        assert folder.registry.load(shard.key) == shard


class TestChange:
    def test_a_changed_file_forms_a_new_shard_and_the_old_one_says_so(self, folder: Workspace) -> None:
        folder.register()
        folder.write("code/a.py", code(99))
        assert folder.register() == ["mine-0003"]
        assert folder.paths("mine-0003") == ["a.py"]
        old, new = folder.ingest("mine-0000"), folder.ingest("mine-0003")
        assert (old.items_in, old.items_out, old.dropped_by_reason) == (2, 1, {"source_changed": 1})
        assert new.tables["raw_code_files"]["content"].to_list() == [code(99)]
        (rejected,) = old.tables["raw_code_files_rejections"].to_dicts()
        assert rejected["detail"] == "a.py: gone or changed since the shard was registered"
        assert rejected["id"] not in new.tables["raw_code_files"]["file_id"].to_list()

    def test_a_removed_file_is_a_rejection(self, folder: Workspace) -> None:
        folder.register()
        (folder.base / "code/a.py").unlink()
        assert folder.ingest("mine-0000").dropped_by_reason == {"source_changed": 1}

    def test_a_file_changed_back_is_found_again(self, folder: Workspace) -> None:
        folder.register()
        before = folder.ingest("mine-0000")
        folder.write("code/a.py", "")
        folder.register()
        folder.write("code/a.py", code(0))
        assert folder.register() == []
        assert folder.ingest("mine-0000").tables["raw_code_files"].equals(before.tables["raw_code_files"])

    def test_lines_added_to_a_jsonl_file_change_no_shard(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl", "shard_size": 2})
        rows = [{"content": code(n), "path": f"{n}.py"} for n in range(5)]
        made.rows("r.jsonl", *rows[:3])
        assert made.register() == ["rows-0000", "rows-0001"]
        before = made.ingest("rows-0001").tables["raw_code_files"]
        made.rows("r.jsonl", rows[4], *rows[:3], rows[3])
        assert made.register() == ["rows-0002"]
        assert made.paths("rows-0002") == ["4.py", "3.py"]
        assert made.ingest("rows-0001").tables["raw_code_files"].equals(before)

    def test_a_changed_line_is_a_new_item(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", {"content": code(0), "path": "a"}, {"content": code(1), "path": "b"})
        made.register()
        made.rows("r.jsonl", {"content": code(0), "path": "a"}, {"content": code(2), "path": "b"})
        assert made.register() == ["rows-0001"]
        assert made.ingest("rows-0000").dropped_by_reason == {"source_changed": 1}
        assert made.ingest("rows-0001").dropped_by_reason == {}


class TestAbsence:
    """A source that is not there is no data: the step fails, so that the rows that were made stay."""

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", {"content": code(0)})
        made.register()
        (tmp_path / "r.jsonl").unlink()
        with pytest.raises(SettingsError, match=r"source rows .*r.jsonl\): it cannot be read \(No such file"):
            made.ingest("rows-0000")
        (tmp_path / "r.jsonl").touch()
        with pytest.raises(SettingsError, match="it holds nothing"):
            made.ingest("rows-0000")

    def test_a_mount_point_that_is_there_but_empty(self, folder: Workspace) -> None:
        folder.register()
        good = folder.ingest("mine-0000")
        shutil.move(folder.base / "code", folder.base / "elsewhere")
        with pytest.raises(SettingsError, match=r"code\): it cannot be read"):
            folder.ingest("mine-0000")
        (folder.base / "code").mkdir()
        with pytest.raises(
            SettingsError, match=r"holds nothing. The rows of mine-0000 stay as they are.*Mount"
        ) as told:
            folder.ingest("mine-0000")
        assert "\n" not in str(told.value)
        (folder.base / "code").rmdir()
        shutil.move(folder.base / "elsewhere", folder.base / "code")
        assert folder.ingest("mine-0000").tables["raw_code_files"].equals(good.tables["raw_code_files"])

    @pytest.mark.parametrize(
        ("lost", "ratio", "fails"),
        [(6, None, True), (5, None, False), (6, 0.6, False), (10, 1.0, False), (2, 0.1, True), (1, 0.0, False)],
    )
    @pytest.mark.parametrize("how", ["gone", "changed"])
    def test_most_items_at_once(self, tmp_path: Path, lost: int, ratio: float | None, fails: bool, how: str) -> None:
        more = {} if ratio is None else {"max_lost_ratio": ratio}
        made = Workspace(tmp_path, mine={"kind": "directory", "path": "code", **more})
        for number in range(11):
            made.write(f"code/{number:02}.py", code(number))
        made.write("code/00.py", "")
        made.register()
        made.write("code/other.py", code(77))
        for number in range(1, lost + 1):
            path = tmp_path / f"code/{number:02}.py"
            path.unlink() if how == "gone" else path.write_text(code(number + 100))
        if fails:
            with pytest.raises(SettingsError, match=f"{lost} of the 11 items of mine-0000 are gone or have changed"):
                made.ingest("mine-0000")
        else:
            assert made.ingest("mine-0000").dropped_by_reason == {"source_changed": lost}

    def test_a_folder_that_cannot_be_read(self, folder: Workspace) -> None:
        folder.register()
        shutil.rmtree(folder.base / "code")
        (folder.base / "code").symlink_to(folder.base / "code")
        with pytest.raises(SettingsError, match="it cannot be read"):
            folder.ingest("mine-0000")


class TestDuplicates:
    def kept(self, workspace: Workspace) -> list[str]:
        """Return the contents that get through, over all shards, and check the accounts."""
        contents: list[str] = []
        keys = workspace.registry.keys()
        for key in keys:
            result = workspace.eligible(key)
            contents += result.tables["eligible_code_files"]["content"].to_list()
            assert result.items_in == result.items_out + sum(result.dropped_by_reason.values())
        return sorted(contents)

    def test_across_shards_and_registrations(self, folder: Workspace) -> None:
        folder.write("code/h.py", code(0))
        folder.register()
        folder.write("code/k.py", code(0))
        folder.write("code/l.py", code(1))
        folder.register()
        assert self.kept(folder) == [code(n) for n in range(5)]
        details = folder.eligible("mine-0003").tables["eligible_code_files_rejections"]["detail"].to_list()
        assert sorted(details) == [
            "k.py: same content as mine-0000:a.py",
            "l.py: same content as mine-0000:c.py",
        ]

    def test_across_sources(self, tmp_path: Path) -> None:
        made = Workspace(
            tmp_path,
            one={"kind": "directory", "path": "one"},
            two={"kind": "jsonl", "path": "two.jsonl"},
        )
        made.write("one/a.py", code(0))
        made.rows("two.jsonl", {"content": code(0)}, {"content": code(1)})
        made.register()
        assert self.kept(made) == [code(0), code(1)]
        assert made.eligible("two-0000").dropped_by_reason == {"duplicate_content": 1}

    def test_equal_lines_without_a_path(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", {"content": code(0)}, {"content": code(1)}, {"content": code(0)})
        made.register()
        assert made.ingest("rows-0000").tables["raw_code_files"]["path"].sort().to_list() == [
            "r.jsonl:1", "r.jsonl:2", "r.jsonl:3",
        ]  # fmt: skip
        assert self.kept(made) == [code(0), code(1)]
        assert made.eligible("rows-0000").dropped_by_reason == {"duplicate_content": 1}

    def test_equal_lines_with_a_path(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", *[{"content": code(0), "path": "a.py"}] * 3)
        made.register()
        assert made.ingest("rows-0000").dropped_by_reason == {"repeated_item": 2}
        assert self.kept(made) == [code(0)]

    def test_one_path_and_content_in_lines_that_differ_elsewhere(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", *[{"content": code(0), "path": "a.py", "stars": n} for n in range(2)])
        made.register()
        assert self.kept(made) == [code(0)]

    def test_one_path_with_two_contents(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.rows("r.jsonl", *[{"content": code(n), "path": "a.py"} for n in range(2)])
        made.register()
        assert self.kept(made) == [code(0), code(1)]

    def test_a_broken_item_is_nobodys_twin(self, tmp_path: Path) -> None:
        made = Workspace(tmp_path, rows={"kind": "jsonl", "path": "r.jsonl"})
        made.write("r.jsonl", '{"content": 1}\n{"content": 1}\nbroken\nbroken\n')
        made.register()
        result = made.ingest("rows-0000")
        assert result.dropped_by_reason == {"broken_json": 2, "missing_field": 2}
        assert result.items_in == 4


def test_a_shard_is_read_in_its_own_order(folder: Workspace) -> None:
    folder.register()
    shard = folder.registry.load("mine-0001")
    found = list(read_shard(shard, folder.sources.sources["mine"], folder.base))
    assert [(item.path, raw.content if raw else None) for item, raw in found] == [("e.py", code(2)), ("g.py", code(3))]


def test_messy_files_end_as_rows_or_rejections(tmp_path: Path) -> None:
    made = Workspace(tmp_path, mine={"kind": "directory", "path": "code", "max_bytes": 1_000})
    made.write("code/good.py", code(0))
    made.write("code/empty.py", "")
    made.write("code/crlf.py", code(1).replace("\n", "\r\n"))
    made.write("code/large.py", "#" * 1_001)
    made.write("code/notes.py", "# nothing\n")
    (tmp_path / "code/latin.py").write_bytes("x = 'é'".encode("latin-1"))
    (tmp_path / "code/bom.py").write_bytes(b"\xef\xbb\xbf" + code(2).encode())
    (tmp_path / "code/caf\udce9.py").write_text(code(3))
    made.register()
    raw, eligible = made.ingest("mine-0000"), made.eligible("mine-0000")
    assert raw.dropped_by_reason == {"too_large": 1, "undecodable": 1}
    assert eligible.dropped_by_reason == {"empty_file": 2}
    assert sorted(eligible.tables["eligible_code_files"]["path"].to_list()) == [
        "bom.py", "caf\\udce9.py", "crlf.py", "good.py",
    ]  # fmt: skip


class TestKinship:
    """Who is near to whom is decided when a shard is registered, and stays so."""

    def program(self, name: str, changed: int = 0) -> str:
        lines = [f"    {name}_{n} = {name}({n}) + {n * 7}" for n in range(40)]
        lines[:changed] = [f"    other_{n} = changed({n}) - {n}" for n in range(changed)]
        return f"def {name}(n):\n" + "\n".join(lines) + "\n    return n\n"

    @pytest.fixture
    def two(self, tmp_path: Path) -> Workspace:
        both = {name: {"kind": "directory", "path": name, "shard_size": 2} for name in ("one", "two")}
        made = Workspace(tmp_path, **both)
        made.write("one/a.py", self.program("a"))
        made.write("one/b.py", self.program("b"))
        made.write("two/a.py", self.program("a", changed=1))
        return made

    def test_a_group_is_named_by_the_file_that_founded_it(self, two: Workspace) -> None:
        two.register()
        a, b = two.registry.load("one-0000").items
        (near,) = two.registry.load("two-0000").items
        assert (a.group_id, b.group_id) == (file_id("one", a), file_id("one", b))
        assert (near.group_id, near.nearest, near.duplicate_of) == (a.group_id, "one-0000:a.py", None)
        assert near.similarity is not None
        assert near.similarity >= 0.8

    def test_files_that_come_later_join_groups_and_change_none(self, two: Workspace) -> None:
        two.register()
        before = two.files()
        two.write("one/0.py", self.program("a", changed=2))
        two.write("two/b.py", "# the same\n" + self.program("b"))
        assert two.register() == ["one-0001", "two-0001"]
        assert two.files().items() >= before.items()
        founder = two.registry.load("one-0000").items
        assert two.registry.load("one-0001").items[0].group_id == founder[0].group_id
        copy = two.registry.load("two-0001").items[0]
        assert (copy.group_id, copy.duplicate_of, copy.similarity) == (founder[1].group_id, "one-0000:b.py", 1.0)
        assert two.eligible("two-0001").dropped_by_reason == {"duplicate_content": 1}
        assert two.eligible("one-0001").dropped_by_reason == {}

    def test_shards_of_before_there_were_groups_can_be_read(self, two: Workspace) -> None:
        two.register()
        path = two.base / "shards" / "one-0000.json"
        data = json.loads(path.read_text())
        known = ("file", "path", "item_sha256", "content_sha256", "duplicate_of")
        data["items"] = [{name: item[name] for name in known} for item in data["items"]]
        path.write_text(json.dumps(data))
        (two.base / "shards" / "signatures" / "one-0000.parquet").unlink()
        groups = two.eligible("one-0000").tables["near_duplicate_groups"]
        assert (groups["group_id"] == groups["file_id"]).all()
        two.write("two/c.py", self.program("a"))  # the bytes of a file without a signature
        two.register()
        assert two.registry.load("two-0001").items[0].duplicate_of == "one-0000:a.py"
