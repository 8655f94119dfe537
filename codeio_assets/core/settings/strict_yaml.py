"""YAML for files that people edit: plain data, with the line of each field, and no silent surprises.

What lives here: reading one document, refusing duplicate keys, reading `1e-5` as a number, finding lines.
What does not: what the fields mean (`recipes`, `sources`).
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_CHARS: Final = 1_000_000
MAX_DEPTH: Final = 100
MAX_FIELDS: Final = 20_000
"""With what aliases repeat: a few lines of them can stand for gigabytes."""


class StrictYamlError(ValueError):
    """A file cannot be read as YAML; the message names file, line and fix."""


class _Loader(yaml.CSafeLoader):
    """The safe loader in C, which takes a tenth of the time, with numbers such as `1e-5`, in YAML 1.1 a text."""

    yaml_implicit_resolvers: ClassVar = {  # pyright: ignore
        key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class YamlDocument:
    """One document: its data, and on which line each field stands."""

    path: Path
    data: object
    lines: dict[tuple[Hashable, ...], int]

    def line(self, field: tuple[Hashable, ...]) -> int:
        """Return the line of a field, or of the nearest part of the document around it."""
        while field not in self.lines:
            if not field:
                return 1
            field = field[:-1]
        return self.lines[field]


def read_yaml(path: Path) -> YamlDocument:
    """Read a file that holds one YAML document.

    Raises:
        StrictYamlError: unreadable, not UTF-8, not YAML, or a key stands twice in one mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StrictYamlError(f"{path}: cannot be read ({error.strerror}). Check the path and its rights.") from error
    except UnicodeDecodeError as error:
        raise StrictYamlError(f"{path}: is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    if len(text) > MAX_CHARS:
        raise StrictYamlError(f"{path}: has {len(text):,} characters, more than {MAX_CHARS:,}. Take it apart.")
    if _bracket_depth(text) > MAX_DEPTH:
        raise StrictYamlError(f"{path}: is nested too deeply. Correct it.")
    try:
        data, lines = _parse(path, text)
    except StrictYamlError:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise StrictYamlError(f"{path}:{line}: is not YAML: {error.problem}. Correct that line.") from error
    except yaml.YAMLError as error:
        raise StrictYamlError(f"{path}: is not YAML: {error}. Correct the file.") from error
    except (ValueError, OverflowError, TypeError) as error:  # a 13th month, 5,000 digits, a list as a key
        raise StrictYamlError(f"{path}: holds a value that cannot be read ({str(error)[:80]}). Correct it.") from error
    except RecursionError as error:
        raise StrictYamlError(f"{path}:1: is nested too deeply, or an alias contains itself. Correct it.") from error
    return YamlDocument(path, data, lines)


def _bracket_depth(text: str) -> int:
    """Return how deep brackets are nested at most, those in quotes too; the parser takes the square of it in time."""
    depth = deepest = 0
    for mark in re.findall(r"[\[{\]}]", text):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _parse(path: Path, text: str) -> tuple[object, dict[tuple[Hashable, ...], int]]:
    """Return the data of a document and the line of each field."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[tuple[Hashable, ...], int] = {}
        if node is None:
            return None, lines
        _collect_lines(path, loader, node, (), lines)
        return loader.construct_document(node), lines  # pyright: ignore[reportUnknownMemberType]
    finally:
        loader.dispose()


def _collect_lines(
    path: Path,
    loader: _Loader,
    node: yaml.Node,
    field: tuple[Hashable, ...],
    lines: dict[tuple[Hashable, ...], int],
) -> None:
    if len(lines) > MAX_FIELDS:
        raise StrictYamlError(
            f"{path}: has more than {MAX_FIELDS:,} fields, aliases counted in full. Write it shorter."
        )
    lines.setdefault(field, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(path, loader, item, (*field, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key: Hashable = loader.construct_object(key_node)  # pyright: ignore
            child = (*field, key)
            line = key_node.start_mark.line + 1
            if child in lines:
                raise StrictYamlError(
                    f"{path}:{line}: `{'.'.join(map(str, child))}` stands twice (first on line "
                    f"{lines[child]}). Remove one."
                )
            lines[child] = line
            _collect_lines(path, loader, value_node, child, lines)


_FIXES = {
    "extra_forbidden": "no such field. Remove the line, or correct its spelling.",
    "missing": "is missing. Add it.",
}


def explain(document: YamlDocument, error: ValidationError) -> str:
    """Put a validation error as lines of `file:line: field, bad value, fix`."""
    return explain_details(document, error.errors(include_url=False))


def explain_details(document: YamlDocument, details: Sequence[ErrorDetails]) -> str:
    """Put some details of a validation error as lines of `file:line: field, bad value, fix`."""
    lines = [f"{document.path}: {len(details)} mistake(s):"]
    for detail in details:
        where = tuple(part for part in detail["loc"] if part != "[key]")
        name = ".".join(str(part) for part in where) or "the whole file"
        fix = _FIXES.get(detail["type"], detail["msg"].removeprefix("Value error, "))
        value = "" if detail["type"] in {"missing", "value_error"} else f" is {_short(detail['input'])}"
        lines.append(f"  {document.path}:{document.line(where)}: `{name}`{value}: {fix}")
    return "\n".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
