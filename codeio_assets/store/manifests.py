"""Manifests: what is live. Replacing one is the commit.

What lives here: the records, their JSON form, reading and replacing them. What does not: keeping what was parsed
(`records`), writing tables (`parquet`), choosing what to read (`warehouse`).
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from codeio_assets.core.values.canonical import Json, JsonLike, content_id
from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.records import Records

RECORD_VERSION = 1
FEW = 20
"""Manifests that are asked for one by one."""


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

    @classmethod
    def trusted(cls, data: bytes) -> Self:
        """Return a manifest from a text that was checked before."""
        found = json.loads(data)
        tables = {name: TableVersion.model_construct(**table) for name, table in found.pop("tables").items()}
        return cls.model_construct(**found, tables=tables)

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


class Manifests:
    """The live manifests of a warehouse."""

    def __init__(self, blobs: Blobs, trust_s: float = 0.0) -> None:
        self._blobs = blobs
        self._records = Records(blobs, self._parse, self._damaged, trust_s, Manifest.trusted)

    def assets(self) -> list[str]:
        """Return the assets that have a folder of manifests."""
        return self._blobs.names(layout.MANIFESTS)

    def partitions(self, asset: str, prefix: str = "") -> list[str]:
        """Return the committed partition keys of an asset that begin so, sorted."""
        files = self._blobs.names(_folder(asset), prefix)
        return sorted(file.removesuffix(".json") for file in files if file.endswith(".json"))

    def get(self, asset: str, partition: str) -> Manifest | None:
        """Return a manifest, None when the partition was never committed.

        Raises:
            StoreError: the file is damaged.
        """
        return self._records.get(layout.manifest_file(asset, partition))

    def tagged(self, asset: str, partition: str) -> tuple[Manifest | None, str | None]:
        """Return a manifest as it is now and its tag, both None when there is none.

        Raises:
            StoreError: the file is damaged.
        """
        return self._records.tagged(layout.manifest_file(asset, partition))

    def tag(self, asset: str, partition: str) -> str | None:
        """Return the tag of a manifest that may be damaged, None when there is none."""
        return self._records.tag(layout.manifest_file(asset, partition))

    def put_if(self, manifest: Manifest, tag: str | None) -> bool:
        """Make a manifest live if what was live had this tag; tell whether it is.

        Raises:
            StoreError: the place is full or not writable.
        """
        name = layout.manifest_file(manifest.asset, manifest.partition)
        return self._records.put_if(name, manifest, manifest.to_json(), tag) is not None

    def remove(self, asset: str, partition: str) -> None:
        """Remove a manifest, if there is one."""
        self._records.remove(layout.manifest_file(asset, partition))

    def all(self, asset: str) -> list[Manifest]:
        """Return the manifests of all partitions of an asset, sorted by key.

        Raises:
            StoreError: one is damaged.
        """
        return [_raised(found) for _, found in self.each(asset)]

    def each(self, asset: str) -> Iterator[tuple[str, Manifest | StoreError]]:
        """Yield each partition of an asset and its manifest, or what is wrong with it."""
        return self._records.all(_folder(asset))

    def whole(self, asset: str) -> Iterator[Manifest]:
        """Yield the manifests of an asset that can be read, sorted by key; the damaged ones are left out."""
        return (found for _, found in self.each(asset) if isinstance(found, Manifest))

    def damaged(self, asset: str) -> dict[str, StoreError]:
        """Return partition -> error of the manifests of an asset that cannot be read."""
        return self._records.damaged(_folder(asset))

    def hashes(self) -> dict[str, dict[str, str]]:
        """Return asset -> file -> a hash of each manifest: equal as long as nothing is committed."""
        return {asset: self._records.hashes(_folder(asset)) for asset in self.assets()}

    def some(self, asset: str, partitions: Collection[str]) -> list[Manifest]:
        """Return the manifests of some partitions of an asset that are there, sorted by key.

        Raises:
            StoreError: one of them is damaged.
        """
        if len(partitions) < FEW:
            return [found for key in sorted(partitions) if (found := self.get(asset, key))]
        wanted = frozenset(partitions)
        return [_raised(found) for key, found in self.each(asset) if key in wanted]

    def _parse(self, name: str, data: bytes) -> Manifest:
        manifest = parsed(Manifest, data, lambda why: self._damaged(name, why))
        if layout.manifest_file(manifest.asset, manifest.partition) != name:
            raise self._damaged(name, f"it is about {manifest.asset}/{manifest.partition}")
        return manifest

    def _damaged(self, name: str, why: str) -> StoreError:
        return StoreError(
            f"The manifest {self._blobs.where(name)} is damaged ({why}). Manifests are written in one step and not "
            "meant to be edited: remove the file and materialise the partition again; no other partition is affected."
        )


Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], data: bytes, error_of: Callable[[str], StoreError]) -> Model:
    """Return a record from its text.

    Raises:
        StoreError: it is none; made by `error_of` of the reason.
    """
    try:
        return model.model_validate(json.loads(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise error_of(f"{where}: {first['msg']}" if where else first["msg"]) from error
    except (ValueError, RecursionError) as error:
        raise error_of(str(error)) from error


def _folder(asset: str) -> str:
    return f"{layout.MANIFESTS}/{layout.checked_key(asset, 'asset')}"


def _raised(found: Manifest | StoreError) -> Manifest:
    if isinstance(found, StoreError):
        raise found
    return found
