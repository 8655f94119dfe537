"""The registry holds the codes that the code gives, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pandera.errors
import polars as pl
import pytest

from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.core.tables.reasons import REASONS
from codeio_assets.project import INSTALLED_ROOT

PACKAGE = INSTALLED_ROOT / "codeio_assets"
GIVEN_AT = {"TransformFailure": 0, "_Bad": 0, "lose": 0, "rejection": 2, "RawItem": None, "Refused": 0}
"""Calls that take a reason code, and at which place; None: as the keyword `reason` only."""
MODULES = [
    *(
        "core/method/raw_code.py",
        "core/method/transform.py",
        "core/method/io_pairs.py",
        "core/method/tasks.py",
        "sources/files.py",
        "sources/parquet_rows.py",
        "sources/reading.py",
        "sources/repositories.py",
    ),
    *(path.relative_to(PACKAGE).as_posix() for path in sorted((PACKAGE / "steps").glob("*.py"))),
]
OUTCOMES = ("_function_places.sql", "task_outcomes.sql", "step_outcomes.sql", "conversation_outcomes.sql")
CODES = {code for codes in REASONS.values() for code in codes}


def texts(node: ast.expr | None) -> Iterator[str]:
    """Yield a regular expression for each text that an expression may be, as far as it is written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(node.value)
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else None for part in node.values)
        yield "".join("[a-z_]+" if part is None else re.escape(str(part)) for part in parts)
    elif isinstance(node, ast.IfExp):
        yield from (text for branch in (node.body, node.orelse) for text in texts(branch))
    elif isinstance(node, ast.BoolOp):
        yield from (text for value in node.values for text in texts(value))


def given(tree: ast.AST) -> Iterator[str]:
    """Yield the codes that a module gives: in calls, in rows, as the first of a pair (reason, detail)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = GIVEN_AT.get(name, -1)
            if place is not None and 0 <= place < len(node.args):
                yield from texts(node.args[place])
            yield from (text for word in node.keywords if word.arg == "reason" for text in texts(word.value))
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            keyed = (value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "reason")
            yield from (text for value in keyed for text in texts(value))
        elif isinstance(node, ast.Return | ast.Assign):
            for pair in decided(node):
                yield from texts(pair.elts[0])
        elif isinstance(node, ast.FunctionDef) and node.name in {"reject_output", "main_reason"}:
            returns = (part.value for part in ast.walk(node) if isinstance(part, ast.Return))
            yield from (text for value in returns for text in texts(value))
            yield from (text for part in ast.walk(node) if isinstance(part, ast.keyword) for text in texts(part.value))


def decided(node: ast.Return | ast.Assign) -> Iterator[ast.Tuple]:
    """Yield the pairs (reason, detail) that a function returns or that become a candidate's problem."""
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") != "problem":
        return
    value = node.value
    choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    choices = value.values if isinstance(value, ast.BoolOp) else choices
    yield from (part for part in choices if isinstance(part, ast.Tuple) and len(part.elts) == 2)


def codes_in_sql() -> set[str]:
    folder = INSTALLED_ROOT / "sql" / "transforms"
    text = "".join((folder / name).read_text("utf-8") for name in OUTCOMES)
    decided = re.findall(r"case\b(.*?)end as reason", text, re.DOTALL)
    found = {code for part in decided for code in re.findall(r"then '([a-z_]+)'", part)}
    return {f"{code}[a-z_]+" if code.endswith("_") else code for code in found}


def emitted() -> set[str]:
    in_code = {text for name in MODULES for text in given(ast.parse((PACKAGE / name).read_text("utf-8")))}
    drawn = {"input_(?!not_an_object)[a-z_]+", "output_[a-z_]+"}  # from `Draws.add` and `reject_output`
    return in_code | codes_in_sql() | drawn


def test_every_code_that_is_given_is_registered() -> None:
    unknown = {text for text in emitted() if not any(re.fullmatch(text, code) for code in CODES)}
    assert unknown == set()


def test_every_registered_code_is_given() -> None:
    patterns = emitted()
    assert {code for code in CODES if not any(re.fullmatch(text, code) for text in patterns)} == set()


def test_codes_are_explained_in_one_line() -> None:
    for codes in REASONS.values():
        for code, words in codes.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
            assert 10 <= len(words) <= 90
            assert "\n" not in words


def test_every_table_with_reasons_has_its_codes() -> None:
    with_reasons = {name for name, model in TABLES.items() if "reason" in model.to_schema().columns}
    assert with_reasons == set(REASONS)


@pytest.mark.parametrize("table", [name for name in REASONS if name.endswith("_rejections")])
def test_a_code_that_is_not_registered_breaks_the_schema(table: str) -> None:
    rows = [{"id": "a", "source": "s", "reason": code, "detail": ""} for code in REASONS[table]]
    TABLES[table].validate(frame(table, rows), lazy=True)
    bad: pl.DataFrame = frame(table, [{**rows[0], "reason": "because"}])
    with pytest.raises(pandera.errors.SchemaErrors, match="because"):
        TABLES[table].validate(bad, lazy=True)


def test_the_modules_that_are_read_are_there() -> None:
    assert [name for name in MODULES if not Path(PACKAGE / name).is_file()] == []
