import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codeio_assets.core.settings.project import SettingsError, Source
from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.sources import RawItem, read_items
from codeio_assets.sources.reading import source_files

CODE = "def f(a):\n    return a\n"


def source(kind: str, **fields: Any) -> Source:
    path = {"directory": ".", "jsonl": "rows.jsonl", "parquet": "rows.parquet"}[kind]
    return Source.model_validate({"kind": kind, "path": path, **fields})


def items(of: Source, base: Path) -> list[RawItem]:
    return [item for path in source_files("s", of, base) for item in read_items(of, base, path)]


def write_jsonl(base: Path, *lines: bytes | dict[str, Any]) -> None:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (base / "rows.jsonl").write_bytes(b"\n".join(texts) + b"\n")


class TestDirectory:
    def one(self, base: Path, data: bytes, **fields: Any) -> RawItem:
        (base / "a.py").write_bytes(data)
        (item,) = items(source("directory", **fields), base)
        return item

    def test_a_file_is_an_item_with_the_licence_of_its_source(self, tmp_path: Path) -> None:
        item = self.one(tmp_path, CODE.encode(), repository="r", license="mit")
        sha = sha256_hex(CODE)
        assert item == RawItem("a.py", sha, sha, len(CODE), CODE, "r", "mit")

    @pytest.mark.parametrize(
        ("data", "content"),
        [
            (b"", ""),
            (b"x = 1\r\ny = 2\r", "x = 1\r\ny = 2\n"),  # a carriage return alone is a line end of old files
            ("x = 'é中\U0001f600'".encode(), "x = 'é中\U0001f600'"),
            (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
            (b"x = '\x00'\n", "x = '\x00'\n"),
        ],
    )
    def test_text_is_kept_as_it_is(self, data: bytes, content: str, tmp_path: Path) -> None:
        item = self.one(tmp_path, data)
        assert (item.content, item.reason, item.size_bytes) == (content, None, len(data))
        assert item.content_sha256 == sha256_hex(data)

    @pytest.mark.parametrize(
        ("data", "detail"),
        [
            ("x = 'é'".encode("latin-1"), "not UTF-8 at byte 5"),
            ("x = 'a'".encode("utf-16"), "not UTF-8 at byte 0"),
            ("x = 'も'".encode("shift-jis"), "not UTF-8 at byte 5"),
            (b"x = '\xed\xa0\x80'", "not UTF-8 at byte 5"),
            (b"\x89PNG\r\n\x1a\n", "not UTF-8 at byte 0"),
        ],
    )
    def test_another_encoding_is_rejected(self, data: bytes, detail: str, tmp_path: Path) -> None:
        item = self.one(tmp_path, data)
        assert (item.content, item.reason, item.detail) == (None, "undecodable", detail)

    def test_a_file_of_50_megabytes_is_rejected_unread(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with (tmp_path / "a.py").open("wb") as file:
            file.truncate(50_000_000)
        monkeypatch.setattr(Path, "read_bytes", lambda _self: pytest.fail("was read"))
        (item,) = items(source("directory"), tmp_path)
        assert (item.reason, item.size_bytes) == ("too_large", 50_000_000)
        assert item.detail == "50,000,000 bytes, more than max_bytes = 1,000,000"

    def test_max_bytes_is_the_largest_size_that_is_read(self, tmp_path: Path) -> None:
        assert self.one(tmp_path, b"12345", max_bytes=5).reason is None
        assert self.one(tmp_path, b"123456", max_bytes=5).reason == "too_large"

    def test_a_file_that_cannot_be_read_is_rejected(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_path: Path, _flags: int) -> int:
            raise PermissionError(13, "Permission denied")

        (tmp_path / "a.py").write_text(CODE)
        monkeypatch.setattr("codeio_assets.sources.files.os.open", refuse)
        (item,) = items(source("directory"), tmp_path)
        assert (item.reason, item.detail) == ("unreadable", "Permission denied")

    def test_a_file_that_vanishes_while_it_is_listed_is_rejected(self, tmp_path: Path) -> None:
        (item,) = read_items(source("directory"), tmp_path, tmp_path / "gone.py")
        assert (item.reason, item.detail) == ("unreadable", "No such file or directory")

    @pytest.mark.parametrize("size", [3, 2_000_000])
    def test_a_name_that_is_not_unicode_can_be_stored(self, size: int, tmp_path: Path) -> None:
        with (tmp_path / os.fsdecode(b"caf\xe9.py")).open("wb") as file:
            file.truncate(size)
        (item,) = items(source("directory"), tmp_path)
        assert item.path == "caf\\udce9.py"
        item.path.encode()

    def test_files_come_in_order_and_only_those_of_the_pattern(self, tmp_path: Path) -> None:
        for name in ("b.py", "a/z.py", "a.txt", "a/a.py", ".hidden/x.py"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(CODE)
        (tmp_path / "folder.py").mkdir()
        assert [item.path for item in items(source("directory"), tmp_path)] == [
            ".hidden/x.py", "a/a.py", "a/z.py", "b.py",
        ]  # fmt: skip
        assert [item.path for item in items(source("directory", glob="*.txt"), tmp_path)] == ["a.txt"]

    def test_links_that_loop_or_lead_nowhere_end(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text(CODE)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
        (tmp_path / "nowhere.py").symlink_to(tmp_path / "nothing")
        assert [item.path for item in items(source("directory"), tmp_path)] == ["a.py"]

    def test_a_folder_that_does_not_exist_is_told(self, tmp_path: Path) -> None:
        of = Source.model_validate({"kind": "directory", "path": "nowhere"})
        with pytest.raises(SettingsError, match=r"source s: the folder .*/nowhere does not exist\. Correct `path`"):
            source_files("s", of, tmp_path)

    def test_a_file_in_place_of_a_folder_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text(CODE)
        with pytest.raises(SettingsError, match="does not exist"):
            source_files("s", Source.model_validate({"kind": "directory", "path": "a.py"}), tmp_path)

    def test_an_empty_folder_has_no_items(self, tmp_path: Path) -> None:
        assert items(source("directory"), tmp_path) == []


class TestJsonl:
    def test_fields_are_those_of_the_row_before_those_of_the_source(self, tmp_path: Path) -> None:
        of = source("jsonl", fields={"repository": "repo", "license": "lic"}, repository="default", license="mit")
        write_jsonl(
            tmp_path,
            {"content": CODE, "path": "p.py", "repo": "own", "lic": "bsd"},
            {"content": CODE, "repo": "", "lic": None, "path": ""},
            {"content": CODE, "repo": 5, "path": 7},
        )
        assert [(item.path, item.repository, item.license) for item in items(of, tmp_path)] == [
            ("p.py", "own", "bsd"),
            ("rows.jsonl:2", "default", "mit"),
            ("rows.jsonl:3", "default", "mit"),
        ]

    def test_identity_is_the_line_and_content_the_code(self, tmp_path: Path) -> None:
        write_jsonl(tmp_path, {"content": CODE, "stars": 1}, {"content": CODE, "stars": 2})
        one, other = items(source("jsonl"), tmp_path)
        assert one.item_sha256 != other.item_sha256
        assert one.content_sha256 == other.content_sha256 == sha256_hex(CODE)
        assert one.size_bytes == len(CODE)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b'{"content": "x', "broken_json"),
            (b"not json", "broken_json"),
            (b'{"content": "a"} {"content": "b"}', "broken_json"),
            (b"[" * 100_000, "broken_json"),
            (b'{"content": "a", "n": ' + b"1" * 5_000 + b"}", "broken_json"),
            (b"\x00\x00", "broken_json"),
            (b'{"content": "caf\xe9"}', "undecodable"),
            (b'{"content": "\\ud800"}', "undecodable"),
            (b"[]", "missing_field"),
            (b'"content"', "missing_field"),
            (b"null", "missing_field"),
            (b"{}", "missing_field"),
            (b'{"content": null}', "missing_field"),
            (b'{"content": ["a"]}', "missing_field"),
            (b'{"content": "' + b"x" * 60 + b'"}', "too_large"),
        ],
    )
    def test_a_broken_line_is_an_item_and_the_others_are_read(self, line: bytes, reason: str, tmp_path: Path) -> None:
        of = source("jsonl", max_bytes=200_000 if len(line) > 200 else 50)
        write_jsonl(tmp_path, {"content": "a = 1"}, line, {"content": "b = 1"})
        first, broken, last = items(of, tmp_path)
        assert (first.content, last.content) == ("a = 1", "b = 1")
        assert (broken.content, broken.reason, broken.path) == (None, reason, "rows.jsonl:2")
        assert broken.detail

    def test_line_ends_blank_lines_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        data = b'\xef\xbb\xbf{"content": "a\\r\\nb"}\r\n\r\n  \n{"content": "\xe4\xb8\xad"}'
        (tmp_path / "rows.jsonl").write_bytes(data)
        found = items(source("jsonl"), tmp_path)
        assert [(item.path, item.content) for item in found] == [("rows.jsonl:1", "a\r\nb"), ("rows.jsonl:4", "中")]

    @pytest.mark.parametrize("field", ["path", "repo", "lic"])
    def test_a_lone_surrogate_beside_the_code_can_be_stored(self, field: str, tmp_path: Path) -> None:
        of = source("jsonl", fields={"repository": "repo", "license": "lic"})
        write_jsonl(tmp_path, {"content": CODE, field: "a\ud800b"})
        (item,) = items(of, tmp_path)
        texts = [item.path, item.repository, item.license]
        assert "a\\ud800b" in texts
        assert all(text is None or text.encode() for text in texts)

    def test_one_line_of_50_megabytes_is_rejected(self, tmp_path: Path) -> None:
        with (tmp_path / "rows.jsonl").open("wb") as file:
            file.truncate(50_000_000)
        with (tmp_path / "rows.jsonl").open("ab") as file:
            file.write(b'\n{"content": "a = 1"}\n')
        large, small = items(source("jsonl"), tmp_path)
        assert (large.reason, large.size_bytes) == ("too_large", 50_000_000)
        assert small.content == "a = 1"

    def test_an_empty_file_has_no_items(self, tmp_path: Path) -> None:
        (tmp_path / "rows.jsonl").touch()
        assert items(source("jsonl"), tmp_path) == []

    def test_a_file_that_cannot_be_opened_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_self: Path, *_arguments: object, **_named: object) -> Iterator[bytes]:
            raise PermissionError(13, "Permission denied")

        write_jsonl(tmp_path, {"content": CODE})
        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(SettingsError, match=r"rows\.jsonl: cannot be read \(Permission denied\)"):
            items(source("jsonl"), tmp_path)


class TestParquet:
    def write(self, base: Path, **columns: list[Any]) -> None:
        pq.write_table(pa.table(columns), base / "rows.parquet")

    def test_rows_are_items(self, tmp_path: Path) -> None:
        self.write(tmp_path, content=["a = 1", "b = 1"], path=["a.py", None], repo=["r", None], other=[1, 2])
        of = source("parquet", fields={"repository": "repo", "license": "not_there"}, license="mit")
        found = [(item.path, item.content, item.repository, item.license) for item in items(of, tmp_path)]
        assert found == [("a.py", "a = 1", "r", "mit"), ("rows.parquet:2", "b = 1", None, "mit")]

    def test_columns_that_are_not_used_do_not_change_an_item(self, tmp_path: Path) -> None:
        self.write(tmp_path, content=["a = 1"], other=[1])
        (one,) = items(source("parquet"), tmp_path)
        self.write(tmp_path, content=["a = 1"], other=[2])
        (other,) = items(source("parquet"), tmp_path)
        assert one == other

    def test_many_rows_keep_their_numbers(self, tmp_path: Path) -> None:
        self.write(tmp_path, content=[f"x = {n}" for n in range(600)])
        found = items(source("parquet"), tmp_path)
        assert [(item.path, item.content) for item in found[::300]] == [
            ("rows.parquet:1", "x = 0"), ("rows.parquet:301", "x = 300"),
        ]  # fmt: skip
        assert len({item.item_sha256 for item in found}) == 600

    @pytest.mark.parametrize(
        ("column", "values"),
        [("content", [None, None]), ("content", [1, 2]), ("content", [b"a", b"b"]), ("code", ["a", "b"])],
    )
    def test_rows_without_text_are_rejected(self, column: str, values: list[Any], tmp_path: Path) -> None:
        self.write(tmp_path, **{column: values})
        found = items(source("parquet"), tmp_path)
        assert [item.reason for item in found] == ["missing_field"] * 2

    def test_large_rows_are_rejected(self, tmp_path: Path) -> None:
        self.write(tmp_path, content=["x" * 51, "x" * 50])
        assert [item.reason for item in items(source("parquet", max_bytes=50), tmp_path)] == ["too_large", None]

    @pytest.mark.parametrize("data", [b"", b"not parquet", b"PAR1" + b"\x00" * 40 + b"PAR1"])
    def test_a_file_that_is_not_parquet_is_told(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / "rows.parquet").write_bytes(data)
        with pytest.raises(SettingsError, match=r"rows\.parquet: is not a readable Parquet file"):
            items(source("parquet"), tmp_path)

    @pytest.mark.parametrize("kind", ["jsonl", "parquet"])
    def test_a_missing_file_is_told(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"source s: the file .*rows\.\w+ does not exist\. Correct `path`"):
            items(source(kind), tmp_path)
