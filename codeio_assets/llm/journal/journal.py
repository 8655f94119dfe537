"""The journal: every response of a language model, durable from the moment it arrives.

What lives here: finding, appending, listing, exporting and verifying recorded responses in segments.
What does not: where segments are (`segments`, `objects`), the form of one line (`lines`), asking servers
(`live.client`), replaying (`recorded`).
Source: design.md, sec. 8.
"""

import contextlib
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codeio_assets.llm.contract import ChatRequest, ChatResponse
from codeio_assets.llm.journal.index import Place, PlaceIndex
from codeio_assets.llm.journal.lines import CorruptLine, Recorded, decode_line, encode_line, line_key
from codeio_assets.llm.journal.objects import ObjectSegments
from codeio_assets.llm.journal.segments import WHOLE, Appender, FolderSegments, Scope, Segments, lines_of
from codeio_assets.store.interface import Blobs


@dataclass(frozen=True, slots=True)
class JournalReport:
    """What `Journal.verify` found; `problems` names file, byte offset and reason."""

    segments: int
    records: int
    duplicates: int
    corrupt: int
    torn_tails: int
    problems: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """True when no line is corrupt; a torn tail is what a kill leaves behind and does no harm."""
        return self.corrupt == 0


class Journal:
    """Responses keyed by their full request, in append-only `*.jsonl` segments: of a folder, or in object storage.

    Each process appends to a segment of its own, which it holds locked, so that runs never wait for each other.
    Segments lie in the folder itself, or by asset and shard in `parts/<asset>/<shard>/`: a journal that is opened for a
    part indexes that part and the folder itself, and no others; one that is opened without sees all of them.
    When a key was recorded more than once, the first record in the order (segment name, offset) counts: segment names
    begin with their time of creation, and an answer that rows downstream rest on never changes. Only byte offsets are
    held in memory. Thread safe; after a fork the child opens its own segment.

    Args:
        folder: of the segments; a missing one is an empty journal until the first append.
        label: put into the names of this process's segments, such as the id of the run; letters and digits.
        part: `<asset>/<shard>`, where this process appends; None appends to the folder itself.
        objects: where they are in object storage; the folder is then read, and not written.
    """

    def __init__(self, folder: Path, label: str = "", part: str | None = None, objects: Blobs | None = None) -> None:
        """Load the index of a folder, or of one part of it."""
        self._load_of(segments_in(Path(folder), objects), (WHOLE, part) if part else None, label, part)

    @classmethod
    def of(cls, segments: Segments, scope: Scope = None) -> "Journal":
        """Return a journal of some parts alone, for who looks at them."""
        made = cls.__new__(cls)
        made._load_of(segments, scope, "", None)
        return made

    def _load_of(self, segments: Segments, scope: Scope, label: str, part: str | None) -> None:
        self.segments = segments
        self._scope = scope
        self._part = part
        self._label = label
        self._lock = threading.RLock()
        self._index = PlaceIndex()
        self._paths: list[Path] = []
        self._numbers: dict[Path, int] = {}
        self._read_up_to: dict[Path, int] = {}
        self._appender: Appender | None = None
        self._corrupt = 0
        self.refresh()

    @property
    def folder(self) -> Path:
        """The journal's folder on this machine."""
        return self.segments.folder

    def __repr__(self) -> str:
        return f"Journal({self.segments.where()!r}, {len(self)} responses)"

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return key in self._index

    @property
    def corrupt_lines(self) -> int:
        """Complete lines that were skipped while loading because their checksum does not hold."""
        return self._corrupt

    def keys(self) -> list[str]:
        """Return the recorded keys, sorted; reads the beginning of every record."""
        with self._lock:
            places = list(self._index.places())
        return sorted(key for place in places if (key := self._key_at(place)))

    def get(self, key: str) -> ChatResponse | None:
        """Return the recorded response of a request, or None."""
        recorded = self.find(key)
        return recorded.response if recorded else None

    def find(self, key: str) -> Recorded | None:
        """Return the recorded request and response of a key, or None."""
        with self._lock:
            if key not in self._index:
                return None
            try:
                return self._read(key)
            except (FileNotFoundError, CorruptLine):  # another process merged or pruned the segment
                self._forget_all()
                self.refresh()
            return self._read(key) if key in self._index else None

    def segment_of(self, key: str) -> Path | None:
        """Return the segment that holds the record of a key."""
        with self._lock:
            place = self._index.get(key)
            return None if place is None else self._paths[place.segment]

    def records(self) -> Iterator[Recorded]:
        """Yield each recorded request and response once, ordered by key."""
        for key in self.keys():
            recorded = self.find(key)
            if recorded is not None:
                yield recorded

    def append(self, request: ChatRequest, response: ChatResponse) -> ChatResponse:
        """Record a response; it is on disk when this returns. Return the response that counts from now on.

        Raises:
            ValueError: the response failed (a re-run must ask again) or belongs to another request.
            OSError: the disk is full or not writable; the journal stays sound.
        """
        return self.append_all([(request, response)])[0]

    def append_all(self, exchanges: Sequence[tuple[ChatRequest, ChatResponse]]) -> list[ChatResponse]:
        """Record several responses with one write and one wait for the disk; otherwise as `append`."""
        lines = [_checked_line(request, response) for request, response in exchanges]
        with self._lock:
            counting, new = [response for _, response in exchanges], list[tuple[str, bytes]]()
            known: dict[str, ChatResponse] = {}
            for number, (request, response) in enumerate(exchanges):
                recorded = known.get(request.key) or self.get(request.key)
                counting[number] = known[request.key] = recorded or response
                if recorded is None:
                    new.append((request.key, lines[number]))
            if not new:
                return counting
            appender = self._own()
            path, offset = appender.write(b"".join(line for _, line in new))
            number = self._number(path)
            for key, line in new:
                self._index.put(key, Place.of(number, offset))
                offset += len(line)
            self._read_up_to[path] = offset
        appender.sync()
        return counting

    def refresh(self) -> int:
        """Read what other processes have appended since; return the number of keys that are new."""
        with self._lock:
            before = len(self._index)
            paths = self.segments.paths(self._scope)
            self.segments.fetch(path for path in paths if path not in self._read_up_to)
            for path in paths:
                with contextlib.suppress(FileNotFoundError):  # merged or pruned meanwhile
                    self._load(path)
            return len(self._index) - before

    def export(self, path: Path, keys: Collection[str] | None = None) -> int:
        """Write one JSONL file, a line per key in key order, and return the number of lines.

        The file's bytes depend on the records only, so it suits version control, and a folder that holds
        it is a journal. It replaces `path` atomically.

        Raises:
            KeyError: one of `keys` is not recorded.
        """
        wanted = self.keys() if keys is None else sorted(set(keys))
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                for key in wanted:
                    recorded = self.find(key)
                    if recorded is None:
                        raise KeyError(f"no response is recorded for {key} in {self.segments.where()}")
                    file.write(encode_line(recorded.request, recorded.response))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return len(wanted)

    def verify(self) -> JournalReport:
        """Read every line of every segment, check sums and keys, and say what is wrong where."""
        seen: set[str] = set()
        lines = torn = segments = 0
        problems: list[str] = []
        paths = self.segments.paths(self._scope)
        self.segments.fetch(paths)
        for path in paths:
            segments += 1
            for offset, line in lines_of(path):
                if not line.endswith(b"\n"):
                    torn += 1
                    continue
                try:
                    recorded = decode_line(line)
                    if recorded.request.key != recorded.response.key:
                        raise CorruptLine("the key is not the key of the request")
                except CorruptLine as error:
                    problems.append(f"{self.segments.name(path)} at byte {offset}: {error}")
                    continue
                lines += 1
                seen.add(recorded.response.key)
        return JournalReport(segments, len(seen), lines - len(seen), len(problems), torn, tuple(problems))

    def close(self) -> None:
        """Close this process's segment; a later append opens another one."""
        with self._lock:
            if self._appender is not None:
                self._appender.close()
                self._appender = None

    def _read(self, key: str) -> Recorded | None:
        place = self._index.get(key)
        assert place is not None
        with self._opened(place) as file:
            recorded = decode_line(file.readline())
        return recorded if recorded.response.key == key else None

    def _key_at(self, place: Place) -> str | None:
        try:
            with self._opened(place) as file:
                return line_key(file.readline())
        except (FileNotFoundError, CorruptLine):
            return None

    def _opened(self, place: Place) -> BinaryIO:
        path = self._paths[place.segment]
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it may have left the cache
            self.segments.fetch([path])
            file = path.open("rb")
        file.seek(place.offset)
        return file

    def _load(self, path: Path) -> None:
        """Index a segment from where it was last read up to its last complete line."""
        start, size = self._read_up_to.get(path, 0), path.stat().st_size
        if start == size:
            return
        number = self._number(path)
        for offset, line in lines_of(path, start):
            if not line.endswith(b"\n"):
                return  # torn by a kill, or still being written: looked at again by the next refresh
            self._read_up_to[path] = offset + len(line)
            try:
                key = line_key(line)
            except CorruptLine:
                self._corrupt += 1
                continue
            place, known = Place.of(number, offset), self._index.get(key)
            if known is None or self._order(place) < self._order(known):
                self._index.put(key, place)

    def _number(self, path: Path) -> int:
        """Return the number of a segment in the index."""
        if path not in self._numbers:
            self._numbers[path] = len(self._paths)
            self._paths.append(path)
        return self._numbers[path]

    def _order(self, place: Place) -> tuple[str, int]:
        return self._paths[place.segment].name, place.offset

    def _forget_all(self) -> None:
        self._index = PlaceIndex()
        self._read_up_to.clear()
        self._corrupt = 0

    def _own(self) -> Appender:
        if self._appender is None or not self._appender.is_usable:
            self.close()
            self._appender = self.segments.appender(self._label or str(os.getpid()), self._part or WHOLE)
        return self._appender


def segments_in(folder: Path, objects: Blobs | None) -> Segments:
    """Return the segments of a folder, or of object storage."""
    return ObjectSegments(objects, folder) if objects is not None else FolderSegments(folder)


def _checked_line(request: ChatRequest, response: ChatResponse) -> bytes:
    if response.status == "failed" or response.key != request.key:
        raise ValueError(f"not recordable: a response with status {response.status} for request {request.key[:12]}")
    return encode_line(request, response)
