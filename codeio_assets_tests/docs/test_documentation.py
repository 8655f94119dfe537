"""What the documentation tells people to type, to write and to follow is true: every command, recipe and link."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from codeio_assets.cli import main
from codeio_assets.cli.app import complete
from codeio_assets.core.settings.project import load_sources
from codeio_assets.project import INSTALLED_ROOT

PAGES = [
    INSTALLED_ROOT / "README.md",
    INSTALLED_ROOT / "CONTRIBUTING.md",
    *sorted(INSTALLED_ROOT.rglob("docs/**/*.md")),
    *sorted(INSTALLED_ROOT.glob("deploy/*/README.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:codeio|make) [^`\n]+)`")
OTHER_PROGRAMS = {"mkdir", "cp", "export", "duckdb", "pip", "echo", "dagster", "python", "cd", "dg", "accelerate"}
QUICK = [["codeio", "check-isolation"], ["codeio", "--help"], ["codeio", "shards"], ["codeio", "status"]]
QUICK += [["codeio", "journal", "list"], ["codeio", "journal", "verify"], ["codeio", "gc", "--dry-run"]]
GROUP = typer.main.get_command(complete())
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (INSTALLED_ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def shell_lines(text: str) -> Iterator[str]:
    """Yield the commands of shell blocks: those after `$ `, or all lines of a block without prompts and outputs."""
    for language, block in BLOCK.findall(text):
        if language not in {"", "sh", "bash", "shell", "console"}:
            continue
        lines = block.replace("\\\n", " ").splitlines()
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        yield from prompted or [
            line for line in lines if line and line.split()[0] in {"codeio", "make"} | OTHER_PROGRAMS
        ]


def commands() -> list[tuple[str, str]]:
    """Return (page, command) of every `codeio` and `make` command in blocks and in running text."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for line in [*shell_lines(text), *INLINE.findall(text)]:
            parts = re.split(r"\s*(?:\||&&|;)\s*", line.split("  #")[0].split("   ")[0])
            found += [(page.name, part) for part in parts if part.startswith(("codeio ", "make "))]
    return sorted(set(found))


def parsed(words: list[str]) -> None:
    """Let the real command line parse words; values in capitals stand for what a user puts there."""
    command: Any = GROUP
    path = ["codeio"]
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {' '.join([*path, rest[0]])}"
        path.append(rest.pop(0))
        command = command.commands[path[-1]]
    if not hasattr(command, "commands") and rest:
        known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
        for word in rest:
            name = word.strip("[]").split("=")[0]
            assert not name.startswith("--") or name in known | {"--help"}, f"{' '.join(path)} has no option {name}"


def test_there_is_something_to_test() -> None:
    assert len(commands()) > 40


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_exists_as_it_is_written(page: str, line: str) -> None:
    words = shlex.split(line.replace("'", "")) if line.count("'") % 2 else shlex.split(line)
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word.islower()]
        assert set(targets) <= TARGETS, f"{page}: {line}"
        return
    names = re.split(r"[,/] *", words[1]) if words[1].endswith(",") else [words[1]]
    if names == [words[1]]:
        parsed(words)


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_a_quick_command_runs(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_sources_in_the_how_to_are_valid(tmp_path: Path) -> None:
    for name in ("how_to/add_a_source.md", "tutorial.md"):
        text = (INSTALLED_ROOT / "docs" / name).read_text("utf-8")
        blocks = [block for language, block in BLOCK.findall(text) if language == "yaml" and "sources:" in block]
        assert blocks, name
        for block in blocks:
            target = tmp_path / "sources.yaml"
            target.write_text(block)
            assert load_sources(target).sources


def test_recipes_in_the_documentation_are_valid(tmp_path: Path) -> None:
    import shutil

    from codeio_assets.core.settings.recipes import load_recipes

    folder = tmp_path / "recipes"
    shutil.copytree(INSTALLED_ROOT / "recipes", folder)
    for name in ("how_to/write_a_recipe.md", "tutorial.md"):
        text = (INSTALLED_ROOT / "docs" / name).read_text("utf-8")
        for number, (language, block) in enumerate(BLOCK.findall(text)):
            if language == "yaml" and "extends" in yaml.safe_load(block):
                (folder / f"written_{Path(name).stem}_{number}.yaml").write_text(block)
    recipes = load_recipes(folder)
    assert sum(name.startswith("written_") for name in recipes) == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_the_reference_knows_every_variable() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"],
        cwd=INSTALLED_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
