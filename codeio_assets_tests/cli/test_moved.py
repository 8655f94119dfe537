"""A clone that was moved or copied after its environment was made says what to do, from `make` and from `codeio`."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from codeio_assets.project import INSTALLED_ROOT

PROGRAM = "#!{}/bin/python\nimport sys\nfrom codeio_assets.cli import main\nsys.exit(main())\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as far as an environment with `codeio` goes; its dependencies are those of this process."""
    made = tmp_path / "first"
    made.mkdir()
    shutil.copyfile(INSTALLED_ROOT / "Makefile", made / "Makefile")
    venv.create(made / ".venv", with_pip=False)
    program = made / ".venv" / "bin" / "codeio"
    program.write_text(PROGRAM.format(made / ".venv"))
    program.chmod(0o755)
    return made


def codeio(clone: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [clone / ".venv" / "bin" / "codeio", "--help"],
        env=os.environ | {"PYTHONPATH": str(INSTALLED_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def make(clone: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["make", "unmoved"], cwd=clone, capture_output=True, text=True, check=False)


def test_a_clone_in_its_place_works(clone: Path) -> None:
    assert codeio(clone).returncode == 0
    assert make(clone).returncode == 0
    (clone.parent / "link").symlink_to(clone)
    assert codeio(clone.parent / "link").returncode == 0
    assert make(clone.parent / "link").returncode == 0


def test_a_copy_does_not_run_the_code_of_the_first(clone: Path) -> None:
    copy = Path(shutil.copytree(clone, clone.parent / "copy", symlinks=True))
    done = codeio(copy)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"{copy}/.venv was copied or moved from {clone}/.venv" in line
    assert f"`rm -rf {copy}/.venv`, then `make setup`" in line


def test_make_says_what_to_do_after_a_move(clone: Path) -> None:
    moved = clone.rename(clone.parent / "second")
    done = make(moved)
    assert done.returncode == 2
    assert "This folder was moved or copied" in done.stdout
    assert "rm -rf .venv, then make setup" in done.stdout
    shutil.rmtree(moved / ".venv")
    assert make(moved).returncode == 0, "a clone without an environment gets one"


def test_make_asks_before_it_does_anything_else() -> None:
    (line,) = [line for line in (INSTALLED_ROOT / "Makefile").read_text().splitlines() if line.startswith("setup:")]
    assert line.split()[1] == "unmoved"
