"""Files of strangers cannot read the machine, fill its memory, or end a shard."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codeio_assets.core.settings.project import InstructionSource, SettingsError, Source, Sources
from codeio_assets.sources.conversations import read_conversations
from codeio_assets.sources.files import lines_of
from codeio_assets.sources.published import published_path, read_published
from codeio_assets.sources.reading import RawItem, decode_source, read_items, source_files
from codeio_assets.sources.shards import ShardRegistry

CODE = "def f(a):\n    return a + 1\n"


def items(base: Path, folder: str = "repo", **options: Any) -> dict[str, RawItem]:
    source = Source.model_validate({"kind": "directory", "path": folder, **options})
    found = (item for path in source_files("s", source, base) for item in read_items(source, base, path))
    return {item.path: item for item in found}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "good.py").write_text(CODE)
    (tmp_path / "secret.py").write_text("KEY = 'x'\n")
    return folder


def test_links_out_of_the_folder_are_rejected(repo: Path) -> None:
    (repo / "absolute.py").symlink_to(repo.parent / "secret.py")
    (repo / "relative.py").symlink_to("../secret.py")
    (repo / "environment.py").symlink_to("/proc/self/environ")  # whose reported size is 0
    (repo / "chain.py").symlink_to("absolute.py")
    (repo / "inside.py").symlink_to("good.py")
    (repo / "up").symlink_to("..", target_is_directory=True)
    found = items(repo.parent, glob="**/*.py") | items(repo.parent, glob="*/*.py")
    assert found["good.py"].content == found["inside.py"].content == CODE
    for name in ("absolute.py", "relative.py", "environment.py", "chain.py", "up/secret.py"):
        assert (found[name].reason, found[name].content) == ("outside_source", None), name
    assert "KEY" not in repr(found)


def test_devices_and_pipes_are_rejected_and_not_waited_for(repo: Path) -> None:
    os.mkfifo(repo / "pipe.py")
    found = items(repo.parent)
    assert found["pipe.py"].reason == "not_a_file"
    assert found["good.py"].content == CODE


def test_a_reported_size_is_not_believed(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").is_file():
        pytest.skip("no /proc with files of size 0 here")
    found = items(Path("/"), "proc/self", glob="maps", max_bytes=100)
    assert (found["maps"].reason, found["maps"].content) == ("too_large", None)


def test_whole_files_may_not_be_links_out_of_their_folder(repo: Path) -> None:
    (repo / "rows.jsonl").symlink_to("../secret.py")
    for kind in ("jsonl", "parquet"):
        source = Source.model_validate({"kind": kind, "path": "repo/rows.jsonl"})
        with pytest.raises(SettingsError, match="is a link out of its folder"):
            source_files("s", source, repo.parent)
    chats = InstructionSource.model_validate({"kind": "jsonl", "path": "repo/rows.jsonl"})
    with pytest.raises(SettingsError, match="is a link out of its folder"):
        list(read_conversations("chats", chats, repo.parent))
    with pytest.raises(SettingsError, match="is a link out of its folder"):
        published_path(repo.parent, Path("repo/rows.jsonl"))


HOSTILE_LINES = [
    b"[" * 200_000,
    b'{"content": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"content": "' + b"x" * 3_000_000 + b'"}',
    b'{"n": ' + b"9" * 10_000 + b"}",
    b'{"content": "\xff"}',
    b'{"content": "\\ud800"}',
    b"null",
    b'{"content": {"a": 1}}',
]


def test_hostile_lines_leave_the_others_alone(tmp_path: Path) -> None:
    good = json.dumps({"content": CODE, "messages": [{"role": "user", "content": "a"}]}).encode()
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(line for hostile in HOSTILE_LINES for line in (hostile, good)) + b"\n")
    source = Source.model_validate({"kind": "jsonl", "path": "rows.jsonl"})
    found = list(read_items(source, tmp_path, path))
    assert [item.content for item in found[1::2]] == [CODE] * len(HOSTILE_LINES)
    assert all(item.reason for item in found[::2])
    chats = list(read_conversations("c", InstructionSource.model_validate({"path": "rows.jsonl"}), tmp_path))
    assert len(chats) == 2 * len(HOSTILE_LINES)
    assert all(chat.messages and chat.broken is None for chat in chats[1::2])


def test_lines_are_the_same_whatever_their_length(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"  " + b"ab " * 500_000 + b"  \r\nshort\n\n" + b"x" * 99 + b"\nlast")
    whole, cut = list(lines_of(path, 10_000_000)), list(lines_of(path, 50))
    assert [(line.number, line.sha256, line.size_bytes) for line in whole] == [
        (line.number, line.sha256, line.size_bytes) for line in cut
    ]
    assert [line.data and line.data[:5] for line in cut] == [None, b"short", None, b"last"]


READ_BOMB = """
import resource, sys
from pathlib import Path
from codeio_assets.core.settings.project import Source
from codeio_assets.sources.reading import read_items
base = Path(sys.argv[1])
source = Source.model_validate({"kind": "parquet", "path": "rows.parquet"})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(item.reason == "too_large" for item in read_items(source, base, base / "rows.parquet")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_small_parquet_file_does_not_fill_the_memory(tmp_path: Path) -> None:
    table = pa.table({"content": ["x" * (1 << 20)] * 1_200})
    pq.write_table(table, tmp_path / "rows.parquet", compression="zstd")
    assert (tmp_path / "rows.parquet").stat().st_size < 10_000
    done = subprocess.run(
        [sys.executable, "-c", READ_BOMB, str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
    )
    rejected, grown_kib = map(int, done.stdout.split())
    assert rejected == 1_200
    assert grown_kib < 200 * 1024


def test_shards_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeio_assets.sources.shards.SHARD_BYTES", 250)
    (tmp_path / "files").mkdir()
    for number in range(7):
        (tmp_path / "files" / f"{number}.py").write_text("x" * 99 + f"\n{number}")
    sources = Sources.model_validate({"sources": {"s": {"kind": "directory", "path": "files"}}})
    shards = ShardRegistry(tmp_path / "shards").register_new(sources, tmp_path)
    assert [(shard.key, len(shard.items)) for shard in shards] == [
        ("s-0000", 2), ("s-0001", 2), ("s-0002", 2), ("s-0003", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        ("#!/usr/bin/python\n# vim: set fileencoding=koi8-r :\n# да\n".encode("koi8-r"), None),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# a\rx = 1\r", "# a\nx = 1\n"),
        (b"x = 1\r\n", "x = 1\r\n"),
        (b"x = 1\n# coding: koi8-r\n# \xff\n", LookupError),
        (b"# coding: utf-7\n+AGE-\n", LookupError),
        (b"# coding: unicode_escape\n\\x41\n", LookupError),
        (b"# coding: hex\n4141\n", LookupError),
        (b"# coding: nothing-like-it\n", LookupError),
        (b"# coding: utf-8\n\xff\n", UnicodeError),
    ],
)
def test_source_is_decoded_as_python_would(data: bytes, text: Any) -> None:
    if isinstance(text, type):
        with pytest.raises((UnicodeError, LookupError)):
            decode_source(data)
    else:
        assert decode_source(data) == (text or data.decode("koi8-r"))


def test_published_data_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "published.jsonl"
    path.write_bytes(b'{"refcode": "", "ios": []}\n' + b"[" * 100_000 + b"\n")
    rows = read_published(path)
    assert next(rows).number == 0
    with pytest.raises(SettingsError, match="function 1"):
        next(rows)
