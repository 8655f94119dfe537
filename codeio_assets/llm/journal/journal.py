"""The journal: every response of a language model, durable from the moment it arrives.

What lives here: finding, appending, listing, exporting and verifying recorded responses in a folder of
segments.
What does not: the form of one line (`lines`), asking servers (`live.client`), replaying (`recorded`).
Source: design.md, sec. 8.
"""

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codeio_assets.llm.contract import ChatRequest, ChatResponse
from codeio_assets.llm.journal.index import Place, PlaceIndex
from codeio_assets.llm.journal.lines import CorruptLine, Recorded, decode_line, encode_line, line_key

PARTS = "parts"


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


@dataclass(slots=True)
class _Segment:
    """The segment that this process appends to; `written` and `synced` are byte offsets."""

    path: Path
    number: int
    descriptor: int
    owner_pid: int
    written: int = 0
    synced: int = 0
    sync_lock: threading.Lock = field(default_factory=threading.Lock)


class Journal:
    """Responses keyed by their full request, in a folder of append-only `*.jsonl` segments.

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
    """

    def __init__(self, folder: Path, label: str = "", part: str | None = None) -> None:
        """Load the index of a folder, or of one part of it."""
        self.folder = Path(folder)
        self._part = part
        self._label = label
        self._lock = threading.RLock()
        self._index = PlaceIndex()
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._read_up_to: dict[str, int] = {}
        self._segment: _Segment | None = None
        self._corrupt = 0
        self.refresh()

    def __repr__(self) -> str:
        return f"Journal({str(self.folder)!r}, {len(self)} responses)"

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

    def segment_of(self, key: str) -> str | None:
        """Return the name, in the folder, of the segment that holds the record of a key."""
        with self._lock:
            place = self._index.get(key)
            return None if place is None else self._names[place.segment]

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
            segment, offset = self._write(b"".join(line for _, line in new))
            for key, line in new:
                self._index.put(key, Place.of(segment.number, offset))
                offset += len(line)
        self._sync(segment, offset)
        return counting

    def refresh(self) -> int:
        """Read what other processes have appended since; return the number of keys that are new."""
        with self._lock:
            before = len(self._index)
            for path in segments_of(self.folder, self._part):
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
                        raise KeyError(f"no response is recorded for {key} in {self.folder}")
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
        for path in segments_of(self.folder):
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
                    problems.append(f"{path.relative_to(self.folder)} at byte {offset}: {error}")
                    continue
                lines += 1
                seen.add(recorded.response.key)
        return JournalReport(segments, len(seen), lines - len(seen), len(problems), torn, tuple(problems))

    def close(self) -> None:
        """Close this process's segment; a later append opens another one."""
        with self._lock:
            if self._segment is not None:
                os.close(self._segment.descriptor)
                self._segment = None

    def _read(self, key: str) -> Recorded | None:
        place = self._index.get(key)
        assert place is not None
        with (self.folder / self._names[place.segment]).open("rb") as file:
            file.seek(place.offset)
            recorded = decode_line(file.readline())
        return recorded if recorded.response.key == key else None

    def _key_at(self, place: Place) -> str | None:
        try:
            with (self.folder / self._names[place.segment]).open("rb") as file:
                file.seek(place.offset)
                return line_key(file.readline())
        except (FileNotFoundError, CorruptLine):
            return None

    def _load(self, path: Path) -> None:
        """Index a segment from where it was last read up to its last complete line."""
        name = path.relative_to(self.folder).as_posix()
        start, size = self._read_up_to.get(name, 0), path.stat().st_size
        if start == size:
            return
        number = self._number(name)
        for offset, line in lines_of(path, start):
            if not line.endswith(b"\n"):
                return  # torn by a kill, or still being written: looked at again by the next refresh
            self._read_up_to[name] = offset + len(line)
            try:
                key = line_key(line)
            except CorruptLine:
                self._corrupt += 1
                continue
            place, known = Place.of(number, offset), self._index.get(key)
            if known is None or self._order(place) < self._order(known):
                self._index.put(key, place)

    def _number(self, name: str) -> int:
        """Return the number of a segment in the index."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def _order(self, place: Place) -> tuple[str, int]:
        return self._names[place.segment].rpartition("/")[2], place.offset

    def _forget_all(self) -> None:
        self._index = PlaceIndex()
        self._read_up_to.clear()
        self._corrupt = 0

    def _write(self, line: bytes) -> tuple[_Segment, int]:
        """Append a line to this process's segment; a line that could not be written whole is taken back."""
        segment = self._own_segment()
        offset = segment.written
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(segment.descriptor, rest) :]
        except OSError:
            os.ftruncate(segment.descriptor, offset)
            raise
        segment.written = self._read_up_to[self._names[segment.number]] = offset + len(line)
        return segment, offset

    def _own_segment(self) -> _Segment:
        segment = self._segment
        if segment is None or segment.owner_pid != os.getpid() or not segment.path.exists():
            self.close()
            folder = self.folder / PARTS / self._part if self._part else self.folder
            path, descriptor = _create_segment(folder, self._label or str(os.getpid()))
            number = self._number(path.relative_to(self.folder).as_posix())
            self._segment = segment = _Segment(path, number, descriptor, os.getpid())
        return segment

    @staticmethod
    def _sync(segment: _Segment, up_to: int) -> None:
        """Wait until the segment is on disk up to an offset; one fsync serves all waiting threads."""
        with segment.sync_lock:
            if segment.synced < up_to:
                reached = segment.written
                os.fsync(segment.descriptor)
                segment.synced = reached


def _checked_line(request: ChatRequest, response: ChatResponse) -> bytes:
    if response.status == "failed" or response.key != request.key:
        raise ValueError(f"not recordable: a response with status {response.status} for request {request.key[:12]}")
    return encode_line(request, response)


def _create_segment(folder: Path, label: str) -> tuple[Path, int]:
    """Create a segment file that no other process has, lock it, and make its name durable."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)
    created = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = folder / f"{created}-{label}-{secrets.token_hex(4)}.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells upkeep that the segment is being written
    sync_folder(folder)
    return path, descriptor


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segments_of(folder: Path, part: str | None = None) -> list[Path]:
    """Return the segment files of a folder and of one part or all of them, in the order in which they count."""
    within = f"{PARTS}/{part}/*.jsonl" if part else f"{PARTS}/*/*/*.jsonl"
    found = [*folder.glob("*.jsonl"), *folder.glob(within)]
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.name)


def parts_of(folder: Path) -> list[Path]:
    """Return the folders that hold segments: the journal's own, and that of each part."""
    return [folder, *sorted(path for path in folder.glob(f"{PARTS}/*/*") if path.is_dir())]


def lines_of(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) from a byte offset on; only the last line may lack its newline."""
    with path.open("rb") as file:
        offset = file.seek(start)
        for line in file:
            yield offset, line
            offset += len(line)
