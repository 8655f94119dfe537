"""The store's files in object storage (S3 and what speaks it, GCS, Azure), by the package obstore.

Records are replaced by conditional puts; a storage that ignores conditions is refused when it is opened, since commits
would be lost in it. Immutable files are kept in a local cache, under the same names, and opened there. Keys and
endpoints come from the environment, as each vendor names them (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).
What does not live here: what a place must do (`interface`), the bounds of the cache (`cache`).
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from codeio_assets.store.cache import FileCache
from codeio_assets.store.hashing import HashingFile
from codeio_assets.store.interface import FileFacts, PlaceError, Stored

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import RetryConfig
try:
    import obstore
    from obstore import exceptions
    from obstore.store import from_url
except ImportError as error:
    raise PlaceError(
        "Object storage (CODEIO_WAREHOUSE_URL) takes the package obstore: pip install 'codeio-assets[scale]'."
    ) from error

AT_ONCE = 16
"""Requests of one call that run side by side."""
LIST_CHUNK = 1_000
WRITE = "codeio-write"
"""Attribute of a record: which request wrote it."""
CHUNK_BYTES = 8 << 20
REQUEST_TIMEOUT = "120s"
RETRIES: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=120)}
_ABSENT = FileNotFoundError
_LOST = (exceptions.AlreadyExistsError, exceptions.PreconditionError, _ABSENT)
"""What a conditional put says when the record is no longer what the writer has seen."""


class ObjectBlobs:
    """`interface.Blobs` in object storage.

    Args:
        url: of the place, such as `s3://bucket/prefix`.
        cache: keeps immutable files locally.

    Raises:
        PlaceError: the place cannot be reached, or ignores conditions.
    """

    is_local = False

    def __init__(self, url: str, cache: FileCache) -> None:
        self._open(url.rstrip("/"), cache)
        self._probe()

    def _open(self, url: str, cache: FileCache) -> None:
        self._url = url
        self._cache = cache
        self.folder = cache.folder
        with _told(self._url):
            self._store = from_url(
                self._url, client_options={"timeout": REQUEST_TIMEOUT, "allow_http": True}, retry_config=RETRIES
            )

    def below(self, folder: str) -> "ObjectBlobs":
        """Return the files in a folder, by their names in it."""
        made = ObjectBlobs.__new__(ObjectBlobs)  # the place was probed
        made._open(f"{self._url}/{folder}", self._cache.below(folder))
        return made

    def where(self, name: str) -> str:
        """Return a file's address."""
        return f"{self._url}/{name}"

    # -- immutable files ----------------------------------------------------------------------------------------

    def fetch(self, names: Iterable[str]) -> None:
        """Bring files into the cache; one that is gone is left to who opens it."""
        missing = [name for name in dict.fromkeys(names) if not self._cache.has(name)]
        with ThreadPoolExecutor(min(AT_ONCE, max(1, len(missing)))) as pool:
            for _ in pool.map(self._fetch, missing):
                pass

    def _fetch(self, name: str) -> None:
        with _told(self.where(name)), contextlib.suppress(_ABSENT):
            chunks = obstore.get(self._store, name).stream(min_chunk_size=CHUNK_BYTES)
            with self._cache.making(name) as path, path.open("wb") as file:
                file.writelines(chunks)

    def drop_damaged(self, names: Iterable[str]) -> bool:
        """Remove files from the cache that are not what their names say; tell whether there were any."""
        return bool([name for name in names if self._cache.drop_if_damaged(name)])

    def facts(self, name: str) -> FileFacts | None:
        """Return a file's size and signature, None when there is none."""
        with _told(self.where(name)), contextlib.suppress(_ABSENT):
            meta = obstore.head(self._store, name)
            return FileFacts(meta["size"], str(meta["e_tag"]))
        return None

    def sha256(self, name: str) -> str | None:
        """Return the hash of an object's bytes as they are stored, None when there is none."""
        with _told(self.where(name)), contextlib.suppress(_ABSENT):
            digest = hashlib.sha256()
            for chunk in obstore.get(self._store, name).stream(min_chunk_size=CHUNK_BYTES):
                digest.update(chunk)
            return digest.hexdigest()
        return None

    @contextmanager
    def staged(self, folder: str) -> Generator["StagedObject"]:
        """Open a local file that is uploaded when it is published."""
        with self._cache.making(None) as path, path.open("wb", buffering=0) as raw:
            yield StagedObject(HashingFile(raw), lambda name: self._publish(path, f"{folder}/{name}"))

    def _publish(self, path: Path, name: str) -> None:
        with _told(self.where(name)):
            obstore.put(self._store, name, path)
        self._cache.take(path, name)

    # -- records ------------------------------------------------------------------------------------------------

    def get(self, name: str, unless: str | None = None) -> Stored | None:
        """Return a record, without its bytes when its tag is `unless`; None when there is none."""
        with _told(self.where(name)):
            try:
                found = obstore.get(self._store, name, options={"if_none_match": unless} if unless else None)
                return Stored(bytes(found.bytes()), str(found.meta["e_tag"]))
            except exceptions.NotModifiedError:
                return Stored(None, str(unless))
            except _ABSENT:
                return None

    def get_all(self, folder: str, known: Callable[[str], str | None]) -> Iterator[tuple[str, Stored]]:
        """Yield the name in the folder and the record of each; those whose listed tag is known are not read."""

        def read(listed: tuple[str, str]) -> tuple[str, Stored | None]:
            name, tag = listed
            return name, Stored(None, tag) if known(name) == tag else self.get(f"{folder}/{name}")

        found = sorted((name, tag) for name, tag, _ in self._listed(folder) if "/" not in name)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(found), LIST_CHUNK):
                for name, stored in pool.map(read, found[start : start + LIST_CHUNK]):
                    if stored:
                        yield name, stored

    def put(self, name: str, data: bytes) -> None:
        """Replace a record in one step."""
        with _told(self.where(name)):
            obstore.put(self._store, name, data)

    def put_if(self, name: str, data: bytes, tag: str | None) -> str | None:
        """Replace a record if its tag is still the one given; return its new tag, or None."""
        mode: PutMode = "create" if tag is None else {"e_tag": tag}
        own = uuid4().hex
        with _told(self.where(name)):
            try:
                return str(obstore.put(self._store, name, data, mode=mode, attributes={WRITE: own})["e_tag"])
            except _LOST:
                pass
            # A request whose answer was lost is sent again, and may meet its own record.
            with contextlib.suppress(_ABSENT):
                there = obstore.get(self._store, name)
                return str(there.meta["e_tag"]) if there.attributes.get(WRITE) == own else None
        return None

    # -- names and removal --------------------------------------------------------------------------------------

    def names(self, folder: str, prefix: str = "") -> list[str]:
        """Return the sorted names of objects and folders in a folder."""
        if prefix:
            return sorted({name.split("/")[0] for name, _, _ in self._listed(folder, prefix)})
        with _told(self.where(folder)):
            found = obstore.list_with_delimiter(self._store, folder or None)  # pyright: ignore[reportUnknownMemberType]
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def walk(self, folder: str) -> Iterator[str]:
        """Yield every object below a folder."""
        return (f"{folder}/{name}" for name, _, _ in self._listed(folder))

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens when there is none."""
        with _told(self.where(name)), contextlib.suppress(_ABSENT):
            obstore.delete(self._store, name)

    def sweep(self, before: float, *, dry_run: bool) -> Iterator[tuple[str, int]]:
        """Do nothing: an upload that was broken off is no object, and a rule of the bucket removes its parts."""
        return iter(())

    def _listed(self, folder: str, prefix: str = "") -> Iterator[tuple[str, str, int]]:
        """Yield name in the folder, tag and size of what lies below it and begins so, in the order of names."""
        before = f"{folder}/" if folder else ""
        offset = f"{before}{prefix}" if prefix else None
        with _told(self.where(folder)):
            chunks = obstore.list(self._store, folder or None, offset=offset, chunk_size=LIST_CHUNK)  # pyright: ignore[reportUnknownMemberType]
            for chunk in chunks:
                for meta in chunk:
                    name = meta["path"].removeprefix(before)
                    if not name.startswith(prefix):
                        return
                    yield name, str(meta["e_tag"]), meta["size"]

    def _probe(self) -> None:
        """Refuse a place that ignores conditions; once per cache, since it takes five requests.

        Raises:
            PlaceError: it does, or it cannot be reached.
        """
        mark = self.folder / f".probed-{hashlib.sha256(self._url.encode()).hexdigest()[:12]}"
        if mark.exists():
            return
        name = f".probe/{uuid4().hex}"
        first = self.put_if(name, b"1", None)
        ignores = self.put_if(name, b"2", None) is not None or self.put_if(name, b"3", '"0"') is not None
        replaces = self.put_if(name, b"4", first) is not None
        self.remove(name)
        if ignores or not first or not replaces:
            raise PlaceError(
                f"{self._url} cannot hold the warehouse: it {'ignores' if ignores else 'refuses'} conditional puts "
                "(If-None-Match, If-Match), without which commits are lost. Use a storage that keeps them, such as S3, "
                "GCS, Azure or MinIO."
            )
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"url": without_password(self._url)}))


class StagedObject:
    """A file that is being written and not uploaded yet."""

    def __init__(self, file: HashingFile, publish: Callable[[str], None]) -> None:
        self.file = file
        self._publish = publish

    def publish(self, name: str) -> None:
        """Upload it under its name."""
        self.file.flush()
        self._publish(name)


def without_password(url: str) -> str:
    """Return an address without what stands before its host."""
    return re.sub(r"//[^/@]*@", "//", url)


@contextmanager
def _told(where: str) -> Generator[None]:
    """Word the errors of object storage in one line; those that somebody waits for pass."""
    try:
        yield
    except (*_LOST, exceptions.NotModifiedError):
        raise
    except (exceptions.BaseError, OSError, ValueError) as error:  # obstore gives some errors Python's own classes
        raise PlaceError(
            f"{without_password(where)} cannot be used: {_first_words(error)}. What was committed before stays; run it "
            "again when the storage can be reached."
        ) from error


def _first_words(error: Any) -> str:
    return " ".join(re.sub(r"\s+", " ", str(error)).split()[:40])[:300]
