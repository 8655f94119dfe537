import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from codeio_assets.cli import main

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "sources:\n  mine:\n    kind: directory\n    path: code\n    filters: {min_chars: 0}\n"


@dataclass(frozen=True)
class Finished:
    """What a person sees of a command that ended."""

    code: int
    out: str
    error: str


@dataclass(frozen=True)
class Copy:
    """A project of one's own: the shipped settings and recipes, one source with one file, an empty home."""

    root: Path
    home: Path

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def codeio(self, *arguments: str) -> Finished:
        own = {"CODEIO_PROJECT": str(self.root), "CODEIO_HOME": str(self.home)}
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ
        }
        command = [str(Path(sys.executable).with_name("codeio")), *arguments]
        done = subprocess.run(
            command, env={**kept, **own}, cwd=self.root, capture_output=True, text=True, timeout=300, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def refused(self, *arguments: str) -> str:
        """Run a command that must end with exit code 2 and one block of words; return the words."""
        return refusal(self.codeio(*arguments), self)


def refusal(done: Finished, project: Copy) -> str:
    assert (done.code, done.out) == (2, ""), done
    assert "Traceback" not in done.error
    assert done.error.startswith("codeio: ")
    assert len(done.error.splitlines()) <= 4
    return done.error.replace(f"{project.root}/", "")


@dataclass(frozen=True)
class Here:
    """Runs the command line in this process, where a start of the interpreter adds nothing."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def refused(self, project: Copy, *arguments: str) -> str:
        own = {
            "CODEIO_PROJECT": str(project.root),
            "CODEIO_HOME": str(project.home),
            "DAGSTER_HOME": str(project.home / "dagster"),
        }
        for name, value in own.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "argv", ["codeio", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, error = self.capsys.readouterr()
        code = ended.value.code
        return refusal(Finished(code if isinstance(code, int) else 1, out, error), project)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture
def project(tmp_path: Path) -> Copy:
    made = Copy(tmp_path / "project", tmp_path / "home")
    made.root.mkdir()
    for name in ("codeio.yaml", "dagster.yaml", "recipes", "sql"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, made.root / name)
    made.write("sources.yaml", SOURCES)
    made.write("code/a.py", "def f(a):\n    return a\n")
    return made
