"""Whether stored files are, bit by bit, what their manifests say.

What does not live here: which files are live (`warehouse`), mending (a partition is materialised again).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.manifests import TableVersion
from codeio_assets.store.parquet import changed_columns


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and one line for each file or manifest that is not what it should be."""

    files: int
    bytes: int
    problems: tuple[str, ...]


class Verifier:
    """Hashes files; one that has not changed since it was found whole is not read again."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._whole: dict[str, str] = {}

    def problem(self, version: TableVersion) -> StoreError | None:
        """Return what is wrong with a file, None when it holds what was committed."""
        facts = self._blobs.facts(version.file)
        if facts is None or facts.size != version.bytes:
            return self._error(version, "gone" if facts is None else f"damaged ({facts.size} bytes)")
        if self._whole.get(version.file) == facts.signature:
            return None
        try:
            sha256 = self._blobs.sha256(version.file)
        except OSError as error:
            return self._error(version, f"not readable ({error.strerror})")
        if sha256 != version.sha256:
            return self._error(version, "damaged (its bytes are not those that were written)")
        self._whole[version.file] = facts.signature
        return None

    def problems(self, versions: Iterable[TableVersion]) -> Iterator[StoreError]:
        """Yield what is wrong with files, file by file."""
        return (problem for version in versions if (problem := self.problem(version)))

    def _error(self, version: TableVersion, what: str) -> StoreError:
        table, partition, _ = version.address
        return StoreError(
            f"The file {self._blobs.where(version.file)} is {what}; its manifest says {version.bytes} bytes. "
            f"Materialise partition {partition!r} of the asset that writes {table!r} again: it makes the same file "
            "anew."
        )


def require_present_columns(table: str, versions: Sequence[TableVersion]) -> None:
    """Return when files have the columns of their table, or lack only what may be null.

    Raises:
        StoreError: one has not.
    """
    for version in versions:
        if changed := changed_columns(table, version.columns):
            raise StoreError(
                f"{version.file} was written with other columns than table {table!r} has now ({changed}): materialise "
                f"partition {version.address.partition!r} again."
            )
