"""What a container says at its start, `codeio check-isolation --required`, under a runtime's filters."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from codeio_assets.sandbox import guarantees, seccomp
from codeio_assets.sandbox.guarantees import AS_USER, Guarantee
from codeio_assets.sandbox.syscall_numbers import SYSCALL_NUMBERS

CLONE_NEWUSER = 0x10000000
UNSHARE = {"x86_64": 272, "aarch64": 97}
CHECK = [sys.executable, "-m", "codeio_assets.cli", "check-isolation", "--required"]
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


def as_runtimes_filter() -> bytes:
    """Return what the default profile of containerd and docker does to namespaces: EPERM without CAP_SYS_ADMIN."""
    machine = os.uname().machine
    refuse, allow = seccomp._fail(errno.EPERM), seccomp._one(seccomp._RETURN, seccomp._ALLOW)
    flags = seccomp._load_argument(0) + seccomp._one(seccomp._ANY_BIT, CLONE_NEWUSER, 0, 1) + refuse + allow
    program = seccomp._one(seccomp._LOAD, seccomp._NUMBER_AT) + seccomp._on_number(UNSHARE[machine], refuse)
    program += seccomp._on_number(SYSCALL_NUMBERS[machine]["clone3"], seccomp._fail(errno.ENOSYS))
    return program + seccomp._on_number(SYSCALL_NUMBERS[machine]["clone"], flags) + allow


def checked(prefix: list[str], environment: dict[str, str], *descriptors: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *CHECK],
        env={**os.environ, **environment},
        pass_fds=descriptors,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_that_isolates_lets_the_container_start() -> None:
    lost = guarantees.refusal()
    done = checked([], {})
    assert (done.returncode, done.stdout) == (1 if lost else 0, "")
    assert bool(done.stderr) == bool(lost)


@pytest.mark.parametrize(
    ("environment", "told"),
    [(POD, "set `seccompProfile: {type: Unconfined}` in the container's securityContext"), ({}, "seccomp=unconfined")],
    ids=["pod", "docker"],
)
def test_the_default_filter_of_a_runtime_is_refused_in_one_line(environment: dict[str, str], told: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(as_runtimes_filter())
        file.seek(0)
        # an ordinary user, as in a pod: root would need no user namespace
        outer = ["bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--dev-bind", "/", "/"]
        outer += ["--seccomp", str(file.fileno()), "--"]
        done = checked(outer, environment, file.fileno())
    assert done.returncode == 1
    assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
    assert done.stderr.startswith("codeio: ")
    assert told in done.stderr


def test_without_bubblewrap_the_container_refuses() -> None:
    done = checked([], {"PATH": "/nowhere"})
    assert done.returncode == 1
    assert "bubblewrap (`bwrap`) is not on the PATH" in done.stderr
    assert done.stderr.count("\n") == 1


def test_root_without_rights_is_told_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        guarantees, "check", lambda _limits: iter([Guarantee(AS_USER, holds=False, detail="we are root")])
    )
    assert "runAsNonRoot" in str(guarantees.refusal())


def test_what_containers_cannot_give_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Guarantee("memory and processes of a worker are limited together", holds=False)
    monkeypatch.setattr(guarantees, "check", lambda _limits: iter([place]))
    assert guarantees.refusal() is None


def test_the_entrypoint_becomes_its_command_only_behind_the_check(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "deploy" / "entrypoint.sh"
    for code, told in ((0, "began"), (1, "")):
        stand_in = tmp_path / "codeio"
        stand_in.write_text(f'#!/bin/sh\n[ "$*" = "check-isolation --required" ] && exit {code}\nexit 9\n')
        stand_in.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", script, "echo", "began"], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (code, told)
