"""What a person at the command line sees of input that cannot be used: exit code 2, words, and nothing lost."""

import pytest

from codeio_assets_tests.bad_input.conftest import SOURCES, Copy, Here

MANY = "sources:\n  rows: {kind: KIND, path: rows.KIND, filters: {min_chars: 0}}\n"


def test_a_source_whose_folder_is_missing(project: Copy) -> None:
    project.write("sources.yaml", SOURCES.replace("code", "cod"))
    words = "codeio: source mine: the folder cod does not exist. Correct `path` in sources.yaml.\n"
    assert project.refused("shards") == words
    assert not list((project.home / "shards").glob("[!.]*"))


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (MANY.replace("KIND", "jsonl"), "source rows: the file rows.jsonl does not exist. Correct `path`"),
        (SOURCES.replace("directory", "folder"), "sources.yaml:3: `sources.mine.kind` is 'folder': "),
        (SOURCES + "    path: code\n", "sources.yaml:6: `sources.mine.path` stands twice (first on line 4)."),
        ("sources: [\n", "sources.yaml:2: is not YAML: "),
        (None, "sources.yaml: cannot be read (No such file or directory)."),
    ],
    ids=["no file", "bad value", "twice", "no yaml", "missing"],
)
def test_other_bad_sources(sources: str | None, words: str, project: Copy, here: Here) -> None:
    (project.root / "sources.yaml").unlink()
    if sources is not None:
        project.write("sources.yaml", sources)
    assert words in here.refused(project, "shards")
    assert not list((project.home / "shards").glob("[!.]*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"base_model: m\nstages: {1: {mix: {codeio: 1.0}\n", "recipes/mine.yaml:3: is not YAML"),
        (b"base_model: caf\xe9\n", "recipes/mine.yaml: is not UTF-8 (byte 15)."),
    ],
    ids=["no yaml", "bad encoding"],
)
def test_a_recipe_that_cannot_be_read(content: bytes, words: str, project: Copy) -> None:
    project.write("recipes/mine.yaml", content)
    assert words in project.refused("export", "mine", "--to", "out")
    assert project.codeio("shards").code == 0  # it fails alone


@pytest.mark.slow
def test_bad_settings_are_told_before_anything_is_made(project: Copy) -> None:
    project.write("codeio.yaml", "chat:\n  modle: x\n")
    words = project.refused("demo")
    assert "codeio.yaml:1: `chat.model`: is missing. Add it." in words
    assert "codeio.yaml:2: `chat.modle` is 'x': no such field." in words


def test_a_file_that_is_not_parquet(project: Copy, here: Here) -> None:
    project.write("sources.yaml", MANY.replace("KIND", "parquet"))
    project.write("rows.parquet", "content,path\n")
    assert "rows.parquet: is not a readable Parquet file (" in here.refused(project, "shards")


def test_a_folder_without_recipes(project: Copy) -> None:
    (project.root / "recipes").rename(project.root / "recipe")
    assert "there is no recipe 'demo'; recipes/ has none" in project.refused("demo")


def test_broken_rows_and_odd_files_are_registered_with_the_others(project: Copy) -> None:
    project.write("sources.yaml", SOURCES + MANY.removeprefix("sources:\n").replace("KIND", "jsonl"))
    project.write("rows.jsonl", b'{"content": "a = 1"}\nbroken\n\xff\n\n{"content": "\\ud800"}\n')
    project.write("code/latin.py", b"x = '\xe9'\n")
    project.write("code/empty.py", b"")
    with (project.root / "code" / "large.py").open("wb") as file:
        file.truncate(50_000_000)
    done = project.codeio("shards")
    assert (done.code, done.error) == (0, "")
    assert done.out == "mine-0000  4 items  new\nrows-0000  4 items  new\n"


def test_a_command_that_does_not_exist(project: Copy) -> None:
    done = project.codeio("shard")
    assert done.code == 2
    assert "No such command" in done.error
    assert "Traceback" not in done.error
