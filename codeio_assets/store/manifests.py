"""Manifests: what is live. Replacing one is the commit.

What lives here: the records, their JSON form, and a reader that parses a manifest again only when it has changed.
What does not: writing tables (`parquet`), choosing what to read (`warehouse`).
"""

import json
import time
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from codeio_assets.core.values.canonical import Json, JsonLike, content_id
from codeio_assets.store import layout
from codeio_assets.store.blobs import Blobs
from codeio_assets.store.errors import StoreError

RECORD_VERSION = 1
_SETTLED_S = 1.0
"""A file modified this recently may change again within its time stamp's resolution, so it is not cached."""


class TableVersion(BaseModel):
    """One immutable Parquet file: the rows of a table in one partition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    file: str
    rows: int
    bytes: int
    sha256: str
    columns: dict[str, str]

    @property
    def address(self) -> layout.TableFile:
        """Table, partition and version, from the file's name."""
        parsed = layout.parse_table_file(self.file)
        assert parsed is not None, self.file  # the validator below has seen to it
        return parsed

    @model_validator(mode="after")
    def _file_is_ours(self) -> Self:
        parsed = layout.parse_table_file(self.file)
        if parsed is None or parsed.version != self.version or layout.version_of(self.sha256) != self.version:
            raise ValueError(f"file {self.file!r}, version {self.version!r} and sha256 do not belong together")
        return self


class Manifest(BaseModel):
    """What an asset's partition holds: the live version of each of its tables, and where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_version: int = RECORD_VERSION
    asset: str
    partition: str
    version: str
    tables: dict[str, TableVersion]
    run_id: str
    fingerprint: str
    upstream: dict[str, str]
    info: dict[str, JsonValue]  # `Json`, as pydantic knows it
    written_at: str

    @classmethod
    def of(
        cls,
        asset: str,
        partition: str,
        *,
        run_id: str,
        fingerprint: str,
        upstream: dict[str, str],
        info: dict[str, Json],
    ) -> Self:
        """Return the manifest of a partition that has no tables yet."""
        return cls(
            asset=asset,
            partition=partition,
            version=data_version({}),
            tables={},
            run_id=run_id,
            fingerprint=fingerprint,
            upstream=upstream,
            info=info,
            written_at="",
        )

    @property
    def commit(self) -> str:
        """Identity of the commit: equal tables that were committed twice have two."""
        return content_id(
            asset=self.asset, partition=self.partition, version=self.version, fingerprint=self.fingerprint,
            run_id=self.run_id, written_at=self.written_at,
        )  # fmt: skip

    def to_json(self) -> bytes:
        """Return the text of the manifest's file."""
        return (json.dumps(self.model_dump(), indent=1) + "\n").encode()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.record_version != RECORD_VERSION:
            raise ValueError(f"record_version {self.record_version} was written by another release")
        if self.version != data_version(self.tables):
            raise ValueError("version is not the content id of the tables' sha256")
        for name, table in self.tables.items():
            if table.address[:2] != (name, self.partition):
                raise ValueError(f"table {name} names the file of another table or partition: {table.file}")
        return self


def data_version(tables: Mapping[str, TableVersion]) -> str:
    """Return the data version: equal tables, equal version, whoever wrote them when."""
    return content_id(tables={name: table.sha256 for name, table in tables.items()})


def json_object(info: Mapping[str, JsonLike]) -> dict[str, Json]:
    """Return the info of a commit as JSON gives it back.

    Raises:
        StoreError: it holds something that is no JSON value.
    """
    try:
        return json.loads(json.dumps(dict(info)))
    except (TypeError, ValueError) as error:
        raise StoreError(f"The info of a commit must be JSON values: {error}. Nothing was written.") from error


class ManifestReader:
    """Reads the manifests of a folder; keeps those parsed whose file has not changed since."""

    def __init__(self, blobs: Blobs, folder: str = layout.MANIFESTS) -> None:
        self._blobs = blobs
        self._folder = folder
        self._parsed: dict[str, tuple[tuple[int, int, int], Manifest]] = {}

    def assets(self) -> list[str]:
        """Return the assets that have a folder of manifests."""
        return self._blobs.names(self._folder)

    def partitions(self, asset: str) -> list[str]:
        """Return the committed partition keys of an asset, sorted."""
        files = self._blobs.names(f"{self._folder}/{layout.checked_key(asset, 'asset')}")
        return sorted(file.removesuffix(".json") for file in files if file.endswith(".json"))

    def get(self, asset: str, partition: str) -> Manifest | None:
        """Return a manifest, None when the partition was never committed.

        Raises:
            StoreError: the file is damaged.
        """
        name = layout.manifest_file(asset, partition, self._folder)
        try:
            return self._get(name, asset, partition)
        except OSError as error:
            raise _damaged(self._blobs, name, error.strerror or str(error)) from error

    def _get(self, name: str, asset: str, partition: str) -> Manifest | None:
        signature = self._blobs.signature(name)
        if signature is None:
            return None
        cached = self._parsed.get(name)
        if cached and cached[0] == signature:
            return cached[1]
        try:
            manifest = self._parse(name, self._blobs.read(name))
        except FileNotFoundError:
            return None
        if (manifest.asset, manifest.partition) != (asset, partition):
            raise _damaged(self._blobs, name, f"it is about {manifest.asset}/{manifest.partition}")
        if time.time() - signature[1] / 1e9 > _SETTLED_S:
            self._parsed[name] = signature, manifest
        return manifest

    def all(self, asset: str) -> list[Manifest]:
        """Return the manifests of all partitions of an asset, sorted by key.

        Raises:
            StoreError: one is damaged.
        """
        found = (self.get(asset, partition) for partition in self.partitions(asset))
        return [manifest for manifest in found if manifest]

    def whole(self, asset: str) -> list[Manifest]:
        """Return the manifests of an asset that can be read, sorted by key; the damaged ones are left out."""
        found = (self._or_none(asset, partition) for partition in self.partitions(asset))
        return [manifest for manifest in found if manifest]

    def damaged(self) -> dict[tuple[str, str], StoreError]:
        """Return (asset, partition) -> error of the manifests that cannot be read."""
        found: dict[tuple[str, str], StoreError] = {}
        for asset in self.assets():
            for partition in self.partitions(asset):
                try:
                    self.get(asset, partition)
                except StoreError as error:
                    found[asset, partition] = error
        return found

    def _or_none(self, asset: str, partition: str) -> Manifest | None:
        try:
            return self.get(asset, partition)
        except StoreError:
            return None

    def _parse(self, name: str, data: bytes) -> Manifest:
        try:
            return Manifest.model_validate(json.loads(data))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise _damaged(self._blobs, name, f"{where}: {first['msg']}" if where else first["msg"]) from error
        except (ValueError, RecursionError) as error:
            raise _damaged(self._blobs, name, str(error)) from error


def _damaged(blobs: Blobs, name: str, why: str) -> StoreError:
    return StoreError(
        f"The manifest {blobs.path(name)} is damaged ({why}). Manifests are written in one step and not meant to be "
        "edited: remove the file and materialise the partition again; no other partition is affected."
    )
