"""Refusal where the isolation cannot be had, with the remedy."""

import os
import stat
from pathlib import Path

import pytest

from codeio_assets.sandbox import Limits, SandboxUnavailable, bubblewrap, open_sandbox
from codeio_assets.sandbox.interpreters import own_interpreter
from codeio_assets.sandbox.places import HERE
from codeio_assets.sandbox.preloading import PRELOADS, preloads, worker_kind


def fake_bwrap(folder: Path, script: str) -> None:
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_bubblewrap_it_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
        open_sandbox()


def test_without_user_namespaces_it_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_bwrap(tmp_path, "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailable, match=r"user namespaces cannot be had.*No permissions"):
        open_sandbox()


def test_a_bubblewrap_that_isolates_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stands for namespaces that are silently left out: everything after `--` runs as it is."""
    folder = Path(bubblewrap.__file__).with_name("inside")
    python = own_interpreter().executable
    script = f"""
    while [ "$1" != "--" ]; do shift; done; shift; shift
    for a in "$@"; do
        case "$a" in {bubblewrap.INSIDE}/*) a={folder}/start.py;; esac
        set -- "$@" "$a"; shift
    done
    exec {python} "$@"
    """
    fake_bwrap(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailable, match="not isolated"):
        open_sandbox()


@pytest.mark.parametrize(
    ("switch", "value", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0"),
        ("kernel/other", "1", "container"),
    ],
)
def test_the_remedy_fits_the_machine(tmp_path: Path, switch: str, value: str, remedy: str) -> None:
    settings = tmp_path / "sys"
    (settings / switch).parent.mkdir(parents=True)
    (settings / switch).write_text(value + "\n")
    fake_bwrap(tmp_path, "exit 1")
    assert remedy in str(bubblewrap.namespace_trouble(str(tmp_path / "bwrap"), settings))


def test_an_unreadable_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.os, "access", lambda path, mode: "python" not in str(path))
    assert "cannot read it" in str(bubblewrap.explain_failure("bwrap", own_interpreter(), "whatever"))


def test_the_command_line_keeps_every_wall() -> None:
    line = bubblewrap.command("bwrap", HERE, own_interpreter(), scratch_bytes=4096, hash_seed=3, filter_descriptor=9)
    for flag in ("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--clearenv"):
        assert flag in line
    for flag in ("--die-with-parent", "--new-session", "--as-pid-1", "--seccomp", "--remount-ro"):
        assert flag in line
    assert "--proc" not in line
    assert "--bind" not in line
    sources = [line[place + 1] for place, flag in enumerate(line) if flag == "--ro-bind"]
    assert not {"/", "/etc", "/home", "/root", "/usr", str(Path.home()), str(Path.cwd())} & set(sources)


def test_none_needs_no_bubblewrap_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with open_sandbox(Limits(), workers=1, isolation="none") as sandbox:
        assert sandbox.isolation == "none"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import math", "light"),
        ("import numpy as np", "numpy"),
        ("def f():\n    from numpy.linalg import norm", "numpy"),
        ("import os, numpy", "numpy"),
        ("import numpy\nimport pandas", "pandas"),
        ("from scipy import stats\nimport numpy", "scipy"),
        ("# import numpy", "light"),
        ("x = 'numpy'", "light"),
        ("import numpyish", "light"),
        ("import unittest", "library"),
        ("from dataclasses import dataclass\nimport numpy", "numpy"),
        ("from pathlib import Path", "library"),
    ],
)
def test_programs_go_to_the_worker_that_suits_them(code: str, kind: str) -> None:
    assert worker_kind(code) == kind


@pytest.mark.parametrize("kind", PRELOADS)
def test_every_kind_loads_what_it_is_named_after(kind: str) -> None:
    named = {"light": "math", "library": "unittest"}.get(kind, kind)
    assert named in {name.split(".")[0] for name in preloads(kind)}
