"""`codeio make`: what is out of date and why, and making only that; on real runs in a project of its own."""

import shutil
from pathlib import Path

import pytest

from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.operating.local import register_shards
from codeio_assets.operating.making import Wanted, due, make
from codeio_assets.project import INSTALLED_ROOT, Project

SOURCES = "sources:\n  mine: {kind: directory, path: code, shard_size: 12, filters: {min_chars: 0}}\n"
SHARD = "mine-0000"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    root = tmp_path / "project"
    shutil.copytree(INSTALLED_ROOT / "recipes", root / "recipes")
    shutil.copyfile(INSTALLED_ROOT / "codeio.yaml", root / "codeio.yaml")
    (root / "sources.yaml").write_text(SOURCES)
    (root / "code").mkdir()
    for number in range(24):
        (root / "code" / f"f{number:02}.py").write_text(f"def f{number}(a):\n    return a + {number}\n")
    monkeypatch.setenv("CODEIO_PROJECT", str(root))
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    found = Project.find()
    register_shards(found)
    return found


def told(project: Project, wanted: Wanted) -> list[tuple[str, str, str]]:
    return [(one.step.asset, one.partition, one.why) for one in due(Project(project.root, project.home), wanted)]


def test_what_was_never_made_is_due_in_flow_order(project: Project) -> None:
    everything = told(project, Wanted())
    assets = [asset for asset, partition, _ in everything if partition == SHARD]
    assert assets[:4] == ["raw_code_files", "file_labels", "eligible_code_files", "unified_functions"]
    assert {why for _, _, why in everything} == {"was never made"}
    assert not {"training_sets", "published_data_audit"} & {asset for asset, _, _ in everything}, "only when asked for"
    assert [partition for _, partition, _ in told(project, Wanted(("raw_code_files",), ("mine",)))] == [
        "mine-0000", "mine-0001",
    ]  # fmt: skip
    assert len(told(project, Wanted(limit=3))) == 3
    of_recipe = [asset for asset, _, _ in told(project, Wanted(recipes=("demo",)))]
    assert of_recipe[:2] == ["instruction_data", "training_sets"], "what a recipe reads of the project comes first"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(assets=("verdict",)), "there is no asset 'verdict'; there are raw_code_files"),
        (Wanted(shards=("yours",)), "there is no shard 'yours'; there are mine-0000, mine-0001"),
        (Wanted(recipes=("no",)), "there is no recipe 'no'"),
    ],
)
def test_what_is_not_there_is_said(project: Project, wanted: Wanted, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        due(project, wanted)


def test_only_what_is_due_is_made_and_a_change_is_told(project: Project) -> None:
    lines: list[str] = []
    wanted = Wanted(("raw_code_files", "file_labels", "eligible_code_files"), (SHARD,))
    assert make(project, wanted, lines.append) == 3
    assert lines[0] == f"  raw_code_files[{SHARD}]: was never made"
    assert make(project, wanted, lines.append) == 0
    assert told(project, wanted) == []
    changed = SOURCES.replace("min_chars: 0", "min_chars: 20")
    (project.root / "sources.yaml").write_text(changed)
    assert told(project, wanted) == [
        ("file_labels", SHARD, "changed: filters.min_chars 0 -> 20"),
        ("eligible_code_files", SHARD, "changed: min_chars 0 -> 20"),
    ] or [asset for asset, _, why in told(project, wanted) if "min_chars 0 -> 20" in why]


def test_a_shard_of_which_nothing_is_left_is_stopped(project: Project) -> None:
    (project.root / "sources.yaml").write_text(SOURCES.replace("min_chars: 0", "min_chars: 5000"))
    fresh = Project(project.root, project.home)
    lines: list[str] = []
    with pytest.raises(MaterialisationFailed, match="eligible_code_files: something_is_left"):
        make(fresh, Wanted(("raw_code_files", "file_labels", "eligible_code_files", "unified_functions")), lines.append)
    assert sum("failed" in line for line in lines) == 2, "the other shard is tried all the same"
    assert not any("unified_functions[" in line for line in lines)
