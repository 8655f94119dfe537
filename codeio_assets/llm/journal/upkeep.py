"""Upkeep of a journal: what its segments hold, merging them, taking over other journals, removing what nobody needs.

What lives here: operations on whole segments. Those that a running process writes to are locked by it and left alone;
a reader that has a removed segment in its index reads the folder anew.
What does not: finding and appending (`journal`).
"""

import contextlib
import fcntl
import os
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codeio_assets.llm.journal.journal import Journal, lines_of, parts_of, segments_of, sync_folder
from codeio_assets.llm.journal.lines import CorruptLine, Recorded, decode_line, encode_line

NO_PART = "-"
"""Names no part, so that a journal is that of its folder alone."""


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What one segment holds; `models` counts the records of each model; times are UTC, ISO 8601."""

    name: str
    size_bytes: int
    records: int
    corrupt: int
    first_at: str
    last_at: str
    models: dict[str, int]
    is_in_use: bool


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What a merge or prune did; `in_use` segments were left alone."""

    segments_before: int
    segments_after: int
    kept: int
    removed: int
    in_use: int


def segment_summaries(folder: Path) -> list[SegmentSummary]:
    """Return a summary of each segment of a journal, in the order in which they count."""
    return [_summary(folder, path) for path in segments_of(folder)]


def merge(folder: Path, others: Iterable[Path] = ()) -> UpkeepReport:
    """Put all segments that nobody writes to into one, and take over the records of other journals.

    Of several records of a key the one that counts stays, so no answer changes. The one segment lies in the folder
    itself, where every part finds it: so answers go along when shards get other names.
    """
    return _rewrite(folder, lambda _recorded: True, others)


def prune(folder: Path, keep: Callable[[Recorded], bool], *, dry_run: bool = False) -> UpkeepReport:
    """Remove the records that `keep` refuses, of the segments that nobody writes to.

    What is removed must be paid for again when it is asked for again.
    """
    if dry_run:
        verdicts = Counter(keep(recorded) for recorded in Journal(folder).records())
        count = len(segments_of(folder))
        return UpkeepReport(count, count, verdicts[True], verdicts[False], 0)
    before = len(segments_of(folder))
    done = [_rewrite(part, keep, (), own=True) for part in parts_of(folder)]
    kept, removed, busy = (sum(getattr(each, name) for each in done) for name in ("kept", "removed", "in_use"))
    return UpkeepReport(before, len(segments_of(folder)), kept, removed, busy)


def _summary(folder: Path, path: Path) -> SegmentSummary:
    models: Counter[str] = Counter()
    times: list[str] = []
    corrupt = 0
    for _, line in lines_of(path):
        try:
            recorded = decode_line(line)
        except CorruptLine:
            corrupt += line.endswith(b"\n")
            continue
        models[recorded.request.model] += 1
        times += [recorded.response.created_at] if recorded.response.created_at else []
    with _locked(path) as is_free:
        return SegmentSummary(
            name=path.relative_to(folder).as_posix(),
            size_bytes=path.stat().st_size,
            records=sum(models.values()),
            corrupt=corrupt,
            first_at=min(times, default=""),
            last_at=max(times, default=""),
            models=dict(models),
            is_in_use=not is_free,
        )


def _rewrite(
    folder: Path, keep: Callable[[Recorded], bool], others: Iterable[Path], *, own: bool = False
) -> UpkeepReport:
    """Write what stays into one new segment, make it durable, and remove the segments that it replaces.

    With `own` those are the segments of the folder itself, else those of its parts as well.
    """
    segments = partial(segments_of, folder, NO_PART if own else None)
    before = segments()
    with contextlib.ExitStack() as stack:
        free = [path for path in before if stack.enter_context(_locked(path))]
        journal = Journal(folder, part=NO_PART if own else None)
        taken = [journal, *(Journal(other) for other in others)]
        busy = {path.relative_to(folder).as_posix() for path in {*before} - {*free}}
        name = f"{free[0].name.split('-')[0] if free else '0'}-merged-{secrets.token_hex(4)}.jsonl"
        kept, removed = _write_segment(folder, name, _wanted(taken, busy), keep)
        for path in free:
            path.unlink()
    after = segments()
    return UpkeepReport(len(before), len(after), kept, removed, len(busy))


def _wanted(journals: list[Journal], busy: set[str]) -> Generator[Recorded]:
    """Yield the record that counts of each key, the first journal first; not those of segments in use."""
    seen: set[str] = set()
    for journal in journals:
        for key in journal.keys():  # noqa: SIM118  (a journal, not a dict)
            if key in seen:
                continue
            seen.add(key)
            recorded = journal.find(key)
            if recorded is not None and not (journal is journals[0] and journal.segment_of(key) in busy):
                yield recorded


def _write_segment(
    folder: Path, name: str, records: Iterable[Recorded], keep: Callable[[Recorded], bool]
) -> tuple[int, int]:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.tmp"
    counts: Counter[bool] = Counter()
    try:
        with temporary.open("wb") as file:
            for recorded in records:
                stays = keep(recorded)
                counts[stays] += 1
                if stays:
                    file.write(encode_line(recorded.request, recorded.response))
            file.flush()
            os.fsync(file.fileno())
        if counts[True]:
            temporary.replace(folder / name)
            sync_folder(folder)
    finally:
        temporary.unlink(missing_ok=True)
    return counts[True], counts[False]


@contextlib.contextmanager
def _locked(path: Path) -> Generator[bool]:
    """Hold a segment for the time of a block, if nobody writes to it; tell whether that is so."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
