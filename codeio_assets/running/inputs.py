"""What a step is given to read: the versions of its declared tables that are live when it begins, and nothing else.

What lives here: resolving a declaration to versions, reading them from Python and SQL, and the fingerprint of a
partition. What does not: beginning and publishing (`running.step`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import duckdb
import polars as pl

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.core.errors import NotReadyError, UndeclaredReadError
from codeio_assets.core.tables.data import RUN_TABLES
from codeio_assets.core.values.canonical import Json, canonical_json, content_id, sha256_hex
from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import WRITERS, Per, Step
from codeio_assets.project import Project
from codeio_assets.store import Manifest, Snapshot, Warehouse, snapshot_of
from codeio_assets.store.standing import failed_checks

Frames = TypeVar("Frames")
TRUST_S = 5.0
"""Seconds for which a step or check believes a manifest that this process has seen: as if it had begun so much earlier.
What it commits is compared with what is there at that moment."""
LONG = 100
"""Characters; a longer setting is shown by its hash."""
_COMMENT = re.compile(r"--[^\n]*")
_PARAMETER = re.compile(r"\$[a-z_]+")


@dataclass(frozen=True)
class Inputs:
    """Declared tables at fixed versions; `who` reads them, for messages."""

    who: str
    reads: tuple[str, ...]
    warehouse: Warehouse
    manifests: tuple[Manifest, ...]

    @cached_property
    def snapshot(self) -> Snapshot:
        """The versions of the declared tables."""
        return snapshot_of(self.manifests, self.reads)

    def file(self, table: str) -> Path:
        """Return the file of a declared table that the step sees one partition of.

        Raises:
            UndeclaredReadError: the step does not declare the table.
        """
        self._refuse(table)
        (version,) = self.snapshot.by_table()[table]
        return self.warehouse.file(version)

    def read(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a declared table that the step sees.

        Raises:
            UndeclaredReadError: the step does not declare the table.
            StoreError: a file is gone or damaged.
        """
        self._refuse(table)
        return self.warehouse.read(table, columns=columns, snapshot=self.snapshot)

    def frames(self, kind: type[Frames]) -> Frames:
        """Return declared tables as a record: a dataclass whose fields are named after tables.

        Raises:
            UndeclaredReadError, StoreError: as in `read`.
        """
        return kind(**{field.name: self.read(field.name) for field in fields(kind)})  # pyright: ignore

    def sql(self, query: str, **parameters: object) -> pl.DataFrame:
        """Return the result of a query over the declared tables; it sees no others.

        Raises:
            UndeclaredReadError: the query names another table.
            StoreError: a file is gone or damaged.
        """
        try:
            return self.warehouse.sql(query, snapshot=self.snapshot, tables=self.reads, **parameters)
        except duckdb.CatalogException as error:
            raise UndeclaredReadError(f"{self.who}: its SQL reads what it does not declare: {error}") from None

    def _refuse(self, table: str) -> None:
        if table not in self.reads:
            raise UndeclaredReadError(f"{self.who} reads {table}, which it does not declare (graph/steps.py, `reads`)")

    def upstream(self) -> dict[str, str]:
        """Return "asset/partition" -> data version of what is read."""
        return self.snapshot.versions


@cache
def tables_in(query: str, macros: str = "") -> frozenset[str]:
    """Return the tables of the warehouse that a query names; `macros` defines functions that it calls.

    Raises:
        duckdb.Error: it is no valid SQL.
    """
    known = {*WRITERS, *RUN_TABLES}
    text = _PARAMETER.sub("null", _COMMENT.sub("", query))
    with _empty_database().cursor() as parser:
        parser.execute(macros)
        return frozenset(name for name in parser.get_table_names(text) if name in known)


@cache
def _empty_database() -> duckdb.DuckDBPyConnection:
    """Return a database to parse with; opening one takes longer by far than parsing a query."""
    return duckdb.connect()


def inputs_of(step: Step[object], partition: str, project: Project, warehouse: Warehouse) -> Inputs:
    """Resolve what a step reads to the versions that are live now, whether or not all are there."""
    manifests = _resolved(step.per, step.reads, partition, project, warehouse)
    return Inputs(f"{step.asset}[{partition}]", step.reads, warehouse, tuple(manifests))


def inputs_of_check(
    asset: Step[object], reads: tuple[str, ...], partition: str, project: Project, warehouse: Warehouse, *, name: str
) -> tuple[Inputs, Manifest | None]:
    """Resolve what a check reads: the last commit of its own partition, good or not, and else what is live."""
    own = warehouse.standing.latest(asset.asset, partition)
    others = _resolved(asset.per, reads, partition, project, warehouse)
    manifests = [manifest for manifest in others if (manifest.asset, manifest.partition) != (asset.asset, partition)]
    given = (*manifests, *([own] if own else []))
    return Inputs(f"{asset.asset}:{name}[{partition}]", reads, warehouse, given), own


def refuse_missing(step: Step[object], partition: str, project: Project, warehouse: Warehouse) -> None:
    """Raise when what a shard or recipe needs of its own partition has no good version, or is no longer good.

    Raises:
        NotReadyError: says which, why, and what to do.
    """
    own = {WRITERS[table].asset: WRITERS[table] for table in step.reads if table not in RUN_TABLES}
    for asset, writer in own.items():
        if step.per == "project" or writer.per != step.per:
            continue
        live = warehouse.manifest(asset, partition)
        why = standing_problem(warehouse, asset, partition)
        if live is None or (why and warehouse.standing.candidate(asset, partition) is None):
            raise NotReadyError(
                f"{step.asset}[{partition}] is not made: {asset}[{partition}] "
                + (f"is not good, {why}" if why else "is not there")
                + f". Materialise {asset} first."
            )


def standing_problem(warehouse: Warehouse, asset: str, partition: str) -> str:
    """Return why the last commit of a partition is not good, empty when it is or when there is none."""
    waiting = warehouse.standing.candidate(asset, partition)
    if waiting is not None:
        failed = failed_checks(warehouse.standing.findings(waiting).values())
        return failed or "its checks did not run to their end"
    live = warehouse.manifest(asset, partition)
    return failed_checks(warehouse.standing.findings(live).values()) if live else ""


def fingerprint(step: Step[object], partition: str, used: object, upstream: dict[str, str]) -> str:
    """Return the content id of everything that decides a partition's content."""
    return content_id(
        asset=step.asset,
        partition=partition,
        code_version=step.code_version,
        uses=as_json(used),
        upstream=upstream,
    )


def flat(value: Json, name: str = "") -> dict[str, Json]:
    """Return the leaves of a JSON value by dotted path; long texts, such as SQL, by the beginning of their hash."""
    if isinstance(value, dict) and value:
        nested = ((f"{name}.{key}" if name else str(key), item) for key, item in value.items())
        return {leaf: found for key, item in nested for leaf, found in flat(item, key).items()}
    if isinstance(value, list):
        value = canonical_json(value)
    if isinstance(value, str) and len(value) > LONG:
        value = f"text {sha256_hex(value)[:12]}"
    return {name: value}


def _resolved(per: Per, reads: Sequence[str], partition: str, project: Project, warehouse: Warehouse) -> list[Manifest]:
    assets = {table if table in RUN_TABLES else WRITERS[table].asset for table in reads}
    return [manifest for asset in sorted(assets) for manifest in _visible(asset, per, partition, project, warehouse)]


def _visible(asset: str, per: Per, partition: str, project: Project, warehouse: Warehouse) -> Iterator[Manifest]:
    yield from warehouse.manifests_of(asset, _visible_keys(asset, per, partition, project, warehouse))


def _visible_keys(asset: str, per: Per, partition: str, project: Project, warehouse: Warehouse) -> list[str]:
    if asset in RUN_TABLES:
        keys = warehouse.partitions(asset, partition if per == "shard" else "")
        return [key for key in keys if key.split(".")[0] == partition] if per == "shard" else keys
    theirs = WRITERS[asset].per
    if theirs == per:
        return [partition]
    if per == "shard":
        return []  # a shard sees nothing beyond itself
    if theirs == "project":
        return [UNPARTITIONED]
    wanted = {"shard": project.shards.keys, "recipe": project.recipe_names, "benchmark": lambda: BENCHMARKS}[theirs]()
    return sorted({*wanted} & {*warehouse.partitions(asset)})
