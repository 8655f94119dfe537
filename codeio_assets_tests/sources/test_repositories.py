"""git and Hugging Face sources: a local bare repository, a remote one over file://, a local dataset folder."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.settings.project import SettingsError, Source, Sources
from codeio_assets.sources import RawItem, ShardRegistry, read_items
from codeio_assets.sources.reading import source_files
from codeio_assets.sources.repositories import recognised
from codeio_assets.sources.shard_reading import read_shard

MIT = 'Permission is hereby granted, free of charge, to any person.\nTHE SOFTWARE IS PROVIDED "AS IS"\n'


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    return subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A bare repository with two commits, a link, a submodule, a large file and bytes that are no text."""
    work = tmp_path / "work"
    (work / "pkg" / "deep").mkdir(parents=True)
    (work / "LICENSE").write_text(MIT)
    (work / "a.py").write_text("def a(x):\n    return x\n")
    (work / "pkg" / "deep" / "b.py").write_text("def b(x):\n    return x + 1\n")
    (work / "pkg" / "notes.txt").write_text("no code")
    (work / "latin.py").write_bytes(b"x = '\xe9'\n")
    (work / "large.py").write_text("x = 1\n" * 1_000)
    (work / "link.py").symlink_to("/etc/passwd")
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    git(work, "tag", "v1")
    (work / "c.py").write_text("def c(): pass\n")
    git(work, "add", ".")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendored")
    git(work, "commit", "-qm", "two")
    git(tmp_path, "clone", "-q", "--bare", str(work), "bare.git")
    return tmp_path / "bare.git"


def source(**fields: Any) -> Source:
    return Source.model_validate({"kind": "git", "max_bytes": 1_000, **fields})


def items(of: Source, base: Path) -> dict[str, RawItem]:
    return {item.path: item for path in source_files("s", of, base) for item in read_items(of, base, path)}


def test_a_repository_gives_its_files_with_licence_and_address(bare: Path, tmp_path: Path) -> None:
    found = items(source(url="bare.git"), tmp_path)
    assert set(found) == {"a.py", "c.py", "pkg/deep/b.py", "latin.py", "large.py", "link.py", "vendored"}
    assert found["a.py"].content == "def a(x):\n    return x\n"
    assert (found["a.py"].license, found["a.py"].repository) == ("mit", "bare.git")
    reasons = {path: item.reason for path, item in found.items() if item.reason}
    assert reasons == {
        "latin.py": "undecodable", "large.py": "too_large", "link.py": "not_followed", "vendored": "not_followed",
    }  # fmt: skip


def test_a_revision_and_a_pattern_choose(bare: Path, tmp_path: Path) -> None:
    first = git(bare, "rev-parse", "v1").strip()
    for revision in ("v1", first):
        assert "c.py" not in items(source(url=str(bare), revision=revision), tmp_path)
    assert set(items(source(url=str(bare), glob="pkg/**/*.py", revision="v1"), tmp_path)) == {"pkg/deep/b.py"}
    assert "pkg/deep/b.py" not in items(source(url=str(bare), glob="*.py"), tmp_path)


def test_a_remote_repository_is_fetched_once_and_kept(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEIO_CACHE", str(tmp_path / "cache"))
    commit = git(bare, "rev-parse", "main").strip()
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    remote = source(url=f"file://{bare}", revision=commit)
    assert items(remote, tmp_path)["c.py"].license == "mit"
    bare.rename(tmp_path / "gone.git")
    assert "c.py" in items(remote, tmp_path), "a pinned commit needs no network twice"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "nowhere.git"}, "does not exist. Correct `url`"),
        ({"url": "bare.git", "revision": "v9"}, "has no revision 'v9'"),
        ({"url": "file:///nowhere/at/all.git"}, "git cannot read file:///nowhere/at/all.git: "),
    ],
)
def test_what_is_not_there_is_one_line(
    bare: Path, tmp_path: Path, fields: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEIO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SettingsError) as told:
        items(source(**fields), tmp_path)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "--upload-pack=touch /tmp/owned"},
        {"url": "ext::sh -c touch% /tmp/owned"},
        {"url": "https://me:secret@example.org/a.git"},
        {"url": "a", "revision": "--output=/tmp/owned"},
        {"url": "a", "path": "b"},
        {},
    ],
)
def test_an_address_that_harms_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"url|revision|kind"):
        source(**fields)


def test_shards_of_a_repository_are_read_again(bare: Path, tmp_path: Path) -> None:
    of = source(url="bare.git", revision="main", shard_size=4)
    registry = ShardRegistry(tmp_path / "shards")
    shards = registry.register_new(Sources.model_validate({"sources": {"repo": of.model_dump()}}), tmp_path)
    assert [len(shard.items) for shard in shards] == [4, 3]
    read = [(item.path, raw) for shard in shards for item, raw in read_shard(shard, of, tmp_path)]
    assert all(raw is not None for _, raw in read)
    assert registry.register_new(Sources.model_validate({"sources": {"repo": of.model_dump()}}), tmp_path) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "mit"),
        ("Apache License\n   Version 2.0, January 2004", "apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007", "gpl-3.0"),
        ("Redistribution and use in source and binary forms ... Neither the name", "bsd-3-clause"),
        ("All rights reserved.", None),
    ],
)
def test_a_licence_is_known_by_its_text(text: str, name: str | None) -> None:
    assert recognised(text) == name


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"code": f"def f{n}(): return {n}", "file": f"f{n}.py", "lic": "mit"} for n in range(3)]
    (folder / "train.jsonl").write_text(
        "\n".join(map(json.dumps, [*rows, {"code": None, "file": "g.py", "lic": None}]))
    )
    return folder


def test_a_dataset_gives_its_rows(dataset: Path, tmp_path: Path) -> None:
    of = Source.model_validate(
        {"kind": "huggingface", "dataset": "data", "fields": {"content": "code", "path": "file", "license": "lic"}}
    )
    found = items(of, tmp_path)
    assert found["f1.py"].content == "def f1(): return 1"
    assert found["f1.py"].license == "mit"
    assert [item.reason for item in found.values()] == [None, None, None, "missing_field"]


@pytest.mark.parametrize("fields", [{"dataset_split": "nothing"}, {"dataset": "no/such_dataset_here"}])
def test_a_dataset_that_is_not_there_is_one_line(
    dataset: Path, tmp_path: Path, fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    of = Source.model_validate({"kind": "huggingface", "dataset": "data", **fields})
    with pytest.raises(SettingsError, match=r"cannot be read: .* Check `dataset`"):
        items(of, tmp_path)
