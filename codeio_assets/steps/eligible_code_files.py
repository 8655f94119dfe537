"""eligible_code_files: which raw files can become functions, by rules, kinship, licence and labels.

What does not live here: the rules on one text (`core.method.raw_code`), finding kin (`sources.kinship`), asking for
labels (`steps.file_labels`).
"""

from collections.abc import Iterator, Mapping

import polars as pl

from codeio_assets.core.method.raw_code import reject_file
from codeio_assets.core.settings.project import Filters
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.sandbox.interpreters import Interpreter, own_interpreter
from codeio_assets.sources.shards import Shard, ShardItem, file_id
from codeio_assets.steps.result import StepResult, account, rejection

Problem = tuple[str, str] | None


def select_eligible(
    raw_files: pl.DataFrame, labels: pl.DataFrame, shard: Shard, filters: Filters, python: Interpreter | None = None
) -> StepResult:
    """Keep the files that can become functions, as the source's filters say, with the Python that runs programs.

    Rejections: the reasons of `core.method.raw_code.reject_file`; `license_not_allowed`, `license_unknown`;
    `duplicate_content` and `near_duplicate` of an earlier item of any shard; `no_category`, `category_left_out`;
    `no_completion`, `too_hard`, `too_easy`.
    """
    items = _items_by_id(shard)
    label_of = {row["file_id"]: row for row in labels.to_dicts()}
    rows: list[Row] = []
    rejections: list[Row] = []
    for row in raw_files.to_dicts():
        problem = _own_problem(row, items.get(row["file_id"]), filters, python)
        problem = problem or _label_problem(label_of.get(row["file_id"]), filters)
        if problem:
            rejections.append(rejection(row["file_id"], row["source"], problem[0], f"{row['path']}: {problem[1]}"))
        else:
            rows.append(row)
    side = {"near_duplicate_groups": _groups(raw_files, items)}
    return account("eligible_code_files", rows, rejections, items_in=len(raw_files), side_tables=side)


def passing_files(
    raw_files: pl.DataFrame, shard: Shard, filters: Filters, python: Interpreter | None = None
) -> Iterator[Row]:
    """Yield the files that pass all rules that need no model."""
    items = _items_by_id(shard)
    for row in raw_files.to_dicts():
        if _own_problem(row, items.get(row["file_id"]), filters, python) is None:
            yield row


def _items_by_id(shard: Shard) -> dict[str, ShardItem]:
    return {file_id(shard.source, item): item for item in reversed(shard.items)}  # the first decides


def _own_problem(row: Row, item: ShardItem | None, filters: Filters, python: Interpreter | None) -> Problem:
    python = python or own_interpreter()
    problem = reject_file(row["content"], filters, python.minor, python.computes) or _license_problem(
        row["license"], filters
    )
    if problem or item is None:
        return problem
    if filters.exact_duplicates and item.duplicate_of:
        return "duplicate_content", f"same content as {item.duplicate_of}"
    if filters.near_duplicates and item.nearest:
        return "near_duplicate", f"{item.similarity:.0%} like {item.nearest}"
    return None


def _license_problem(license_: str | None, filters: Filters) -> Problem:
    if filters.licenses is None:
        return None
    if license_ is None:
        return None if filters.licenses.allow_unknown else ("license_unknown", "the source states no licence")
    if license_.lower() in {name.lower() for name in filters.licenses.allow}:
        return None
    return "license_not_allowed", f"licence {license_}"


def _label_problem(label: Row | None, filters: Filters) -> Problem:
    if filters.categories:
        if label is None or label["category"] is None:
            return "no_category", label["detail"] if label else "was not asked about"
        if label["category"] in filters.categories.drop:
            return "category_left_out", label["category"]
    if filters.difficulty:
        if label is None or label["trials"] == 0:
            return "no_completion", (label["detail"] if label else None) or "was not tried"
        rate = label["successes"] / label["trials"]
        told = f"{label['successes']} of {label['trials']} completions do what the original does"
        if rate < filters.difficulty.min_success:
            return "too_hard", told
        if rate > filters.difficulty.max_success:
            return "too_easy", told
    return None


def _groups(raw_files: pl.DataFrame, items: Mapping[str, ShardItem]) -> pl.DataFrame:
    rows: list[Row] = []
    for own, source in raw_files.select("file_id", "source").iter_rows():
        item = items.get(own)
        rows.append(
            {
                "file_id": own,
                "source": source,
                "group_id": (item.group_id if item else None) or own,
                "nearest": item.nearest if item else None,
                "similarity": item.similarity if item else None,
                "bridged_groups_json": canonical_json(list(item.bridged_groups) if item else []),
            }
        )
    return frame("near_duplicate_groups", rows)
