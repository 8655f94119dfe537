"""Groups of control on a tree of files that looks like the kernel's; real ones need a machine that delegates them."""

import subprocess
from pathlib import Path

import pytest

from codeio_assets.sandbox import Limits, cgroups


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with a delegated slice, and our own scope in it, which has processes and so no limited groups below it."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    for name, enabled in (("", "memory pids"), ("slice", "cpu memory pids"), ("slice/own.scope", "")):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.subtree_control").write_text(enabled + "\n")
        (folder / "cgroup.procs").write_text("")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/slice/own.scope\n")
    return tmp_path


def test_the_place_is_beside_our_own_group(tree: Path) -> None:
    assert cgroups.place(tree, tree / "own") == tree / "slice"


def test_a_machine_without_them_says_so(tree: Path) -> None:
    (tree / "cgroup.controllers").unlink()
    assert "no cgroup v2" in str(cgroups.place(tree, tree / "own"))


def test_groups_that_are_not_delegated_are_none(tree: Path) -> None:
    (tree / "slice/cgroup.subtree_control").write_text("cpu\n")
    assert "delegated" in str(cgroups.place(tree, tree / "own"))


def test_a_group_has_the_limits_of_a_worker(tree: Path) -> None:
    group = cgroups.make(tree / "slice", Limits(memory_mib=100, scratch_mib=12, processes=32))
    assert group is not None
    assert (group.path / "memory.max").read_text() == str((100 + 12 + 512) << 20)
    assert (group.path / "pids.max").read_text() == "40"


def test_a_place_that_refuses_gives_no_group(tree: Path) -> None:
    assert cgroups.make(tree / "absent", Limits()) is None


def test_a_process_joins_before_it_becomes_another(tree: Path) -> None:
    group = cgroups.Group(tree / "slice")
    ran = subprocess.run(group.joining(["/bin/sh", "-c", 'echo $$ "$@"', "sh", "a b"]), capture_output=True, check=True)
    pid, *said = ran.stdout.decode().split()
    assert (tree / "slice/cgroup.procs").read_text().strip() == pid
    assert said == ["a", "b"]


def test_running_out_of_memory_is_told(tree: Path) -> None:
    group = cgroups.Group(tree / "slice")
    assert not group.ran_out_of_memory()
    (tree / "slice/memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 0\n")
    assert not group.ran_out_of_memory()
    (tree / "slice/memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 2\n")
    assert group.ran_out_of_memory()


def test_what_is_left_of_others_is_removed_if_it_is_empty(tree: Path) -> None:
    (tree / "slice/codeio-1-0").mkdir()
    (tree / "slice/codeio-2-0").mkdir()
    (tree / "slice/codeio-2-0/busy").write_text("")
    cgroups.remove_left(tree / "slice")
    assert [path.name for path in (tree / "slice").glob("codeio-*")] == ["codeio-2-0"]
    cgroups.Group(tree / "slice/codeio-1-0").remove()
