"""Upkeep of a journal: what its segments hold, merging them, taking over other journals, removing what nobody needs.

What lives here: operations on whole segments. Those that a running process writes to are locked by it and left alone;
a reader that has a removed segment in its index reads them anew.
What does not: finding and appending (`journal`).
"""

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from codeio_assets.llm.journal.journal import Journal
from codeio_assets.llm.journal.lines import CorruptLine, Recorded, decode_line, encode_line
from codeio_assets.llm.journal.segments import WHOLE, Scope, Segments, lines_of


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


def segment_summaries(segments: Segments) -> list[SegmentSummary]:
    """Return a summary of each segment of a journal, in the order in which they count."""
    paths = segments.paths()
    segments.fetch(paths)
    return [_summary(segments, path) for path in paths]


def merge(segments: Segments, others: Iterable[Path] = ()) -> UpkeepReport:
    """Put all segments that nobody writes to into one, and take over the records of other journals.

    Of several records of a key the one that counts stays, so no answer changes. The one segment lies where every part
    finds it: so answers go along when shards get other names.
    """
    return _rewrite(segments, None, lambda _recorded: True, others)


def prune(segments: Segments, keep: Callable[[Recorded], bool], *, dry_run: bool = False) -> UpkeepReport:
    """Remove the records that `keep` refuses, of the segments that nobody writes to.

    What is removed must be paid for again when it is asked for again.
    """
    before = len(segments.paths())
    if dry_run:
        verdicts = Counter(keep(recorded) for recorded in Journal.of(segments).records())
        return UpkeepReport(before, before, verdicts[True], verdicts[False], 0)
    done = [_rewrite(segments, (part,), keep, ()) for part in segments.parts()]
    kept, removed, busy = (sum(getattr(each, name) for each in done) for name in ("kept", "removed", "in_use"))
    return UpkeepReport(before, len(segments.paths()), kept, removed, busy)


def _summary(segments: Segments, path: Path) -> SegmentSummary:
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
    with segments.locked(path) as is_free:
        return SegmentSummary(
            name=segments.name(path),
            size_bytes=path.stat().st_size,
            records=sum(models.values()),
            corrupt=corrupt,
            first_at=min(times, default=""),
            last_at=max(times, default=""),
            models=dict(models),
            is_in_use=not is_free,
        )


def _rewrite(
    segments: Segments, scope: Scope, keep: Callable[[Recorded], bool], others: Iterable[Path]
) -> UpkeepReport:
    """Write what stays into one new segment, make it durable, and remove the segments that it replaces.

    It lies in the one part of the scope, or where every part finds it.
    """
    before = segments.paths(scope)
    with contextlib.ExitStack() as stack:
        free = [path for path in before if stack.enter_context(segments.locked(path))]
        journal = Journal.of(segments, scope)
        taken = [journal, *(Journal(other) for other in others)]
        busy = {*before} - {*free}
        name = f"{free[0].name.split('-')[0] if free else '0'}-merged-{secrets.token_hex(4)}.jsonl"
        counts: Counter[bool] = Counter()
        segments.add(scope[0] if scope else WHOLE, name, _lines(_wanted(taken, busy), keep, counts))
        for path in free:
            segments.remove(path)
    return UpkeepReport(len(before), len(segments.paths(scope)), counts[True], counts[False], len(busy))


def _wanted(journals: list[Journal], busy: set[Path]) -> Generator[Recorded]:
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


def _lines(records: Iterable[Recorded], keep: Callable[[Recorded], bool], counts: Counter[bool]) -> Generator[bytes]:
    """Yield the lines of what stays, and count both."""
    for recorded in records:
        stays = keep(recorded)
        counts[stays] += 1
        if stays:
            yield encode_line(recorded.request, recorded.response)
