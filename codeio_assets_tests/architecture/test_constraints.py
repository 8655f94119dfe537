"""constraints.txt pins what pyproject.toml asks for, and its check says in one line when it does not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codeio_assets.project import INSTALLED_ROOT

TOOL = Path("tools") / "constraints.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    for name in (str(TOOL), "pyproject.toml", "constraints.txt"):
        shutil.copyfile(INSTALLED_ROOT / name, tmp_path / name)
    return tmp_path


def checked(root: Path) -> str:
    """Return what the check says; empty where everything fits."""
    done = subprocess.run([sys.executable, TOOL, "--check"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode != 0, done.stdout) == (done.stderr != "", ""), done
    return done.stderr


def replaced(file: Path, pattern: str, text: str) -> None:
    before = file.read_text("utf-8")
    after = re.sub(pattern, text, before, count=1, flags=re.MULTILINE)
    assert after != before
    file.write_text(after, "utf-8")


def test_a_new_dependency_is_missing(copy: Path) -> None:
    replaced(copy / "pyproject.toml", r'^  "typer>=', '  "one-more-thing>=2",\n  "typer>=')
    assert checked(copy) == "constraints.txt: one-more-thing is missing; run `make constraints`\n"


def test_a_pin_that_is_too_old_is_named(copy: Path) -> None:
    replaced(copy / "constraints.txt", r"^polars==.*$", "polars==1.0.0")
    assert checked(copy) == "constraints.txt: polars==1.0.0 is not >=1.30; run `make constraints`\n"


def test_packages_that_are_only_needed_by_others_are_pinned(copy: Path) -> None:
    replaced(copy / "constraints.txt", r"^urllib3==.*\n", "")
    assert checked(copy) == "constraints.txt: urllib3 is missing; run `make constraints`\n"


def test_every_line_is_one_exact_version(copy: Path) -> None:
    lines = [line for line in (copy / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.!-]*", line)] == []
    assert not any(line.startswith("torch==") for line in lines)  # TORCH chooses its build
