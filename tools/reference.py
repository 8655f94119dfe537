"""Regenerates docs/reference.md from the code: assets, tables, reason codes, configuration, commands, environment.

`--check` only tells whether it is stale.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from codeio_assets.cli.app import complete
from codeio_assets.core.settings.project import Settings, Sources
from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import TABLES
from codeio_assets.core.tables.reasons import REASONS
from codeio_assets.core.tables.schema import column_description
from codeio_assets.graph.steps import STEPS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"
ENVIRONMENT = {
    "CODEIO_CACHE": "folder for copies of remote repositories (default ~/.cache/codeio) and of stored tables",
    "CODEIO_PERSON": "who marks in the browser and with `codeio mark`; default: the login name",
    "CODEIO_PROJECT": "folder with codeio.yaml and the rest; default: the nearest at or above the current folder",
    "CODEIO_HOME": "folder for everything that is made; default: `var` in the project",
    "CODEIO_BASE_URL": "server instead of `chat.base_url`, and instead of `chat.endpoints`",
    "CODEIO_MODEL": "model instead of `chat.model`",
    "CODEIO_API_KEY": "key of the server; else `OPENAI_API_KEY`",
    "OPENAI_API_KEY": "key of the server where `CODEIO_API_KEY` is not set",
    "CODEIO_VLLM_PYTHON": "interpreter of an environment with vLLM, for `base_url: vllm`",
    "CODEIO_VLLM_MODEL": "weights for `base_url: vllm` where codeio.yaml names none",
    "CODEIO_ALERT_WEBHOOK": "address that failed runs and failed checks are posted to as JSON; nothing when not set",
    "CODEIO_WAREHOUSE_URL": "object storage for the tables, e.g. s3://bucket/prefix (docs/scale.md); default: a folder",
    "CODEIO_CACHE_GIB": "how large the cache of tables in object storage may grow; default: 50",
    "CODEIO_BROWSER_URL": "where the browser is, for links in the UI and reports; default: http://127.0.0.1:3001",
    "CODEIO_ALLOWED_HOSTS": "hosts that `codeio dev` and `codeio browse` answer to besides this machine's, by commas",
    "CODEIO_REWARD_WORKERS": "workers of the judge that a training process shares; default: one per core",
    "HF_TOKEN": "token for `codeio export --push-to` and for private data sets of the hub",
}
INTERNAL = {"CODEIO_VLLM_TOKEN"}
"""What processes of ours tell each other."""
IN_CODE = re.compile(r"\b(?:CODEIO_[A-Z_]+[A-Z]|OPENAI_API_KEY|HF_TOKEN)\b")


def page() -> str:
    """Return the whole page."""
    parts = (
        "# Reference\n\nMade from the code by `make docs` (tools/reference.py).",
        "## Assets\n\n" + "\n".join(_assets()),
        "## Tables\n\nEach is a view of `var/warehouse/warehouse.duckdb`, with the partition key as `part`.\n\n"
        + "\n\n".join(_tables()),
        "## Reason codes\n\n" + "\n".join(_reasons()),
        "## Configuration\n\n" + "\n\n".join(_configuration()),
        "## Commands\n\n" + "\n".join(_commands()),
        "## Make\n\n" + "\n".join(_targets()),
        "## Environment variables\n\n" + "\n".join(_environment()),
    )
    return "\n\n".join(parts) + "\n"


def _row(*cells: object) -> str:
    return "| " + " | ".join(" ".join(str(cell).replace("|", "\\|").split()) for cell in cells) + " |"


def _head(*names: str) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names)]


def _assets() -> Iterator[str]:
    from codeio_assets.definitions import defs

    loaded = defs()
    specs = {spec.key.to_user_string(): spec for spec in loaded.resolve_all_asset_specs()}
    checks: dict[str, list[str]] = {}
    for key in sorted(loaded.get_repository_def().asset_graph.asset_check_keys, key=str):
        checks.setdefault(key.asset_key.to_user_string(), []).append(f"`{key.name}`")
    yield from _head("asset", "what it is", "group", "partitions", "reads", "pool", "checks")
    for step in STEPS.values():
        for asset in step.makes:
            what = (specs[asset].description or "").split("\n")[0]
            reads = ", ".join(f"`{name}`" for name in step.upstream)
            named = ", ".join(checks.get(asset, []))
            yield _row(f"`{asset}`", what, step.group, step.per, reads, step.pool or "", named)


def _tables() -> Iterator[str]:
    for name, model in TABLES.items():
        lines = [f"### {name}", "", (inspect.getdoc(model) or "").split("\n")[0], "", *_head("column", "type", "what")]
        for column, schema in model.to_schema().columns.items():
            what = column_description(column, schema.description)
            notes = [what, "unique" if schema.unique else "", "nullable" if schema.nullable else ""]
            lines.append(_row(f"`{column}`", schema.dtype, "; ".join(filter(None, notes))))
        yield "\n".join(lines)


def _reasons() -> Iterator[str]:
    yield from _head("table", "code", "meaning")
    for table, codes in REASONS.items():
        for code, meaning in codes.items():
            yield _row(f"`{table}`", f"`{code}`", meaning)


def _configuration() -> Iterator[str]:
    files = {"codeio.yaml": Settings, "sources.yaml": Sources, "recipes/*.yaml": Recipe}
    for file, model in files.items():
        summary = (inspect.getdoc(model) or "").split("\n")[0]
        lines = [f"### {file}", "", summary, "", *_head("field", "type", "default", "what")]
        lines += [_row(*row) for row in _fields(model, "")]
        yield "\n".join(lines)


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        part, many = _part_of(field.annotation)
        if part is None:
            default = "" if field.is_required() else f"`{_default(field)}`"
            yield f"`{path}`", f"`{_type(field.annotation)}`", default or "required", field.description or ""
            continue
        yield f"`{path}`", "part", "", field.description or (inspect.getdoc(part) or "").split("\n")[0]
        yield from _fields(part, f"{path}.{many}")


def _part_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the part of a settings file that a field holds, and what stands between: a name or a place in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for argument in get_args(annotation):
        part, _ = _part_of(argument)
        if part:
            origin = get_origin(annotation)
            return part, "NAME." if origin is dict else "N." if origin in {tuple, list} else ""
    return None, ""


def _default(field: Any) -> Any:
    value = field.default_factory() if field.default_factory else field.default
    return "" if value is PydanticUndefined else "null" if value is None else value


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin in {Union, UnionType}:
        return " or ".join(_type(argument) for argument in arguments)
    if arguments:
        inner = ", ".join(_type(each) for each in arguments if each is not ...)
        return f"{getattr(origin, '__name__', origin)} of {inner}"
    return "null" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def _commands() -> Iterator[str]:
    yield from _head("command", "options", "what")
    for path, command in commands(typer.main.get_command(complete()), "codeio"):
        options = ", ".join(f"`{each.opts[0]}`" for each in command.params if each.name != "help")
        yield _row(f"`{path}`", options, (command.help or "").split("\n")[0])


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command of the command line with its path."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands(below, f"{path} {name}")


def _targets() -> Iterator[str]:
    yield from _head("target", "what")
    text = (ROOT / "Makefile").read_text("utf-8")
    for target, what in re.findall(r"^([a-z][a-z-]*):[^\n#]*## (.+)$", text, re.MULTILINE):
        yield _row(f"`make {target}`", what)


def _environment() -> Iterator[str]:
    yield from _head("variable", "what")
    for name, what in ENVIRONMENT.items():
        yield _row(f"`{name}`", what)


def undescribed() -> set[str]:
    """Return the variables that the package names and this page does not."""
    texts = (path.read_text("utf-8") for path in (ROOT / "codeio_assets").rglob("*.py"))
    return {name for text in texts for name in IN_CODE.findall(text)} - set(ENVIRONMENT) - INTERNAL


def main() -> None:
    """Rewrite the page, or with `--check` exit with 1 when it is stale."""
    if missing := undescribed():
        sys.exit(f"tools/reference.py: ENVIRONMENT lacks {', '.join(sorted(missing))}")
    fresh = page()
    if "--check" in sys.argv:
        present = PAGE.read_text("utf-8") if PAGE.exists() else ""
        sys.exit(0 if fresh == present else "docs/reference.md is stale; run `make docs`")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
