from pathlib import Path

import pytest

from codeio_assets.core.settings.project import (
    Settings,
    SettingsError,
    Sources,
    Split,
    load_settings,
    load_sources,
)

ROOT = Path(__file__).resolve().parents[3]
SOURCES = """\
sources:
  mine:
    kind: directory
    path: code
"""
SETTINGS = "chat:\n  model: m\n"


def sources(tmp_path: Path, text: str) -> Sources:
    (tmp_path / "sources.yaml").write_text(text)
    return load_sources(tmp_path / "sources.yaml")


def settings(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "codeio.yaml").write_text(text)
    return load_settings(tmp_path / "codeio.yaml")


def test_the_shipped_files_are_valid() -> None:
    assert load_sources(ROOT / "sources.yaml").sources
    assert load_settings(ROOT / "codeio.yaml").chat.model


def test_defaults_are_those_of_the_method(tmp_path: Path) -> None:
    (source,) = sources(tmp_path, SOURCES).sources.values()
    assert (source.pairs_per_function, source.shard_size, source.glob) == (6, 1_000, "**/*.py")
    assert (source.filters.min_chars, source.path) == (100, Path("code"))
    made = settings(tmp_path, SETTINGS)
    assert (made.chat.predict.temperature, made.chat.predict.max_tokens) == (0.7, 4_096)
    assert (made.sampling.draws, made.sandbox.cpu_s, made.chat.revision_turns) == (1_000, 5.0, 1)
    assert (made.sandbox.isolation, made.judging.rule) == ("bubblewrap", "default")


def test_fields_are_read(tmp_path: Path) -> None:
    text = SOURCES + "    kind: jsonl\n".replace("kind", "license").replace("jsonl", "mit")
    text += "    filters: {min_chars: 5}\n    fields: {content: text, path: name}\n"
    source = sources(tmp_path, text + "instruction_data:\n  chats: {path: c.jsonl}\n").sources["mine"]
    assert (source.license, source.filters.min_chars, source.fields.content) == ("mit", 5, "text")


def test_numbers_in_exponent_notation_are_numbers(tmp_path: Path) -> None:
    assert settings(tmp_path, SETTINGS + "split: {validation_ratio: 1e-2}\n").split == Split(validation_ratio=0.01)


def errors(text: str, tmp_path: Path, name: str) -> list[str]:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError) as error:
        (load_sources if name == "sources.yaml" else load_settings)(path)
    return str(error.value).replace(str(tmp_path) + "/", "").splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "  sources.yaml:1: `sources`: is missing. Add it."),
        ("- a\n", "  sources.yaml:1: `the whole file` is ['a']:"),
        ("sources: {}\n", "  sources.yaml:1: `sources` is {}:"),
        ("sources:\n", "  sources.yaml:1: `sources` is None:"),
        (SOURCES + "    shardsize: 5\n", "  sources.yaml:5: `sources.mine.shardsize` is 5: no such field. Remove"),
        (SOURCES + "    shard_size: 0\n", "  sources.yaml:5: `sources.mine.shard_size` is 0: "),
        (SOURCES + "    shard_size: '5'\n", "  sources.yaml:5: `sources.mine.shard_size` is '5': "),
        (SOURCES + "    shard_size: yes\n", "  sources.yaml:5: `sources.mine.shard_size` is True: "),
        (SOURCES + "    pairs_per_function: 1\n", "  sources.yaml:5: `sources.mine.pairs_per_function` is 1: "),
        (SOURCES + "    filters: {min_chars: -1}\n", "  sources.yaml:5: `sources.mine.filters.min_chars` is -1: "),
        (
            SOURCES.replace("directory", "git"),
            "  sources.yaml:2: `sources.mine`: give `url` and none of the others of ",
        ),
        (
            SOURCES.replace("    path: code\n", ""),
            "  sources.yaml:2: `sources.mine`: give `path` and none of the others",
        ),
        (SOURCES.replace("mine", "My Code"), "  sources.yaml:2: `sources.My Code` is 'My Code': "),
        (SOURCES.replace("mine", "a-b"), "  sources.yaml:2: `sources.a-b` is 'a-b': "),
        (SOURCES + "    filters: {min_chars: 9, max_chars: 8}\n", "  sources.yaml:5: `sources.mine.filters`: "),
        (SOURCES + "    glob: /abs/*.py\n", "  sources.yaml:5: `sources.mine.glob`: "),
        (SOURCES + "    glob: ''\n", "  sources.yaml:5: `sources.mine.glob`: "),
        (SOURCES + "    glob: a**/*.py\n", "  sources.yaml:5: `sources.mine.glob`: "),
    ],
)
def test_errors_in_sources_name_line_field_value_and_fix(text: str, message: str, tmp_path: Path) -> None:
    first, *rest = errors(text, tmp_path, "sources.yaml")
    assert first == "sources.yaml: 1 mistake(s):"
    assert len(rest) == 1
    assert rest[0].startswith(message)
    assert len(rest[0]) > len(message) or message.endswith("it.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chat: {}\n", "  codeio.yaml:1: `chat.model`: is missing. Add it."),
        ("chat: {model: ''}\n", "  codeio.yaml:1: `chat.model` is '': "),
        (SETTINGS + "  api_key: secret\n", "  codeio.yaml:3: `chat.api_key` is 'secret': no such field."),
        (SETTINGS + "  predict: {temperature: 3}\n", "  codeio.yaml:3: `chat.predict.temperature` is 3: "),
        (SETTINGS + "  predict: {temperature: .nan}\n", "  codeio.yaml:3: `chat.predict.temperature` is nan: "),
        (SETTINGS + "sandbox: {isolation: docker}\n", "  codeio.yaml:3: `sandbox.isolation` is 'docker': "),
        (SETTINGS + "sandbox:\n  cpu_s: 0\n", "  codeio.yaml:4: `sandbox.cpu_s` is 0: "),
        (SETTINGS + "judging: {rule: strict}\n", "  codeio.yaml:3: `judging.rule` is 'strict': "),
        (SETTINGS + "split: {validation_ratio: 1}\n", "  codeio.yaml:3: `split.validation_ratio` is 1: "),
        (SETTINGS + "split: {validation_ratio: 0.6, test_ratio: 0.4}\n", "  codeio.yaml:3: `split`: "),
    ],
)
def test_errors_in_settings_name_line_field_value_and_fix(text: str, message: str, tmp_path: Path) -> None:
    first, *rest = errors(text, tmp_path, "codeio.yaml")
    assert first == "codeio.yaml: 1 mistake(s):"
    assert len(rest) == 1
    assert rest[0].startswith(message)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = errors(SETTINGS + "  concurrency: 0\nsandbox: {memory_mib: 1}\nsample: 1\n", tmp_path, "codeio.yaml")
    assert lines[0] == "codeio.yaml: 3 mistake(s):"
    assert [line.split("`")[1] for line in lines[1:]] == ["chat.concurrency", "sandbox.memory_mib", "sample"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SETTINGS + "chat:\n  model: n\n", "codeio.yaml:3: `chat` stands twice (first on line 1). Remove one."),
        (SETTINGS + "  a: [1\n", "is not YAML: "),
        ("chat: {model: 'm\n", "is not YAML: "),
        ("\tchat: m\n", "codeio.yaml:1: is not YAML: "),
        ("chat: !!python/object:os.system {}\n", "codeio.yaml:1: is not YAML: "),
        pytest.param("a: &x [*x, 1]\n", "codeio.yaml:1: "),
        (SETTINGS + "---\nmore: 1\n", "is not YAML: "),
        ("chat: caf\udce9\n", "codeio.yaml: is not UTF-8 (byte 9). Save it as UTF-8."),
        pytest.param("chat: \x00\n", "codeio.yaml: is not YAML: "),
    ],
)
def test_what_is_not_plain_yaml_names_the_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    (line, *_) = errors(text, tmp_path, "codeio.yaml")
    assert message in line
    assert line.startswith("codeio.yaml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"codeio\.yaml: cannot be read \(No such file or directory\)\. Check"):
        load_settings(tmp_path / "codeio.yaml")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        load_settings(tmp_path)
