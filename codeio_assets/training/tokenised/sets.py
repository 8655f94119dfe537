"""A tokenised set: a folder of memory-mapped Arrow that a trainer opens and starts from.

What lives here: building it in batches and processes, its identity, its manifest. What does not: rendering and layout.

The folder holds manifest.json (written last), `<split>-00000.arrow` and so on with the columns input_ids, labels
and, for packs, seq_lengths, and counts.npz: what the token audit is made of, per row before it is cut.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from codeio_assets.core.values.canonical import content_id
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.tokenised.audit import RowCounts
from codeio_assets.training.tokenised.chat import ChatTokenizer, load_chat_tokenizer
from codeio_assets.training.tokenised.layout import Packs, Rows, cut, pack
from codeio_assets.training.tokenised.rendering import Ids, Rendered, Renderer
from codeio_assets.training.tokenised.samples import Sample

MANIFEST_FILE = "manifest.json"
COUNTS_FILE = "counts.npz"
SET_VERSION = 2
BATCH_ROWS = 1_000
SHARD_TOKENS = 1 << 27
"""Tokens per file: 1 GiB of ids and labels."""
IN_ONE_PROCESS = 2_000
"""Rows up to which starting processes costs more than it gains."""
TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True, slots=True)
class Layout:
    """What besides rows and tokenizer decides a set.

    Attributes:
        max_length: Tokens that a row is cut to.
        packing: Whether rows share sequences.
        fold: Whether system text stands in the user's message.
        validation_rows: How many held-out rows there are at most; None for all.
    """

    max_length: int
    packing: bool
    fold: bool = False
    validation_rows: int | None = None


class _Written(TypedDict):
    version: int
    max_length: int
    packing: bool
    fold: bool
    validation_rows: int | None
    tokenizer: str
    files: dict[str, list[str]]
    sequences: dict[str, int]
    untrainable_ids: list[str]
    highest_token: tuple[int, str]


class SetManifest(_Written):
    """What a set says of itself: layout and tokenizer, files and sequences by split, the identity of its rows."""

    data_sha256: str
    identity: str


@dataclass(frozen=True, slots=True)
class TokenisedSet:
    """An opened set: `files` by split, in order; `sequences` by split; `counts` of the rows trained on."""

    folder: Path
    manifest: SetManifest
    counts: RowCounts

    @property
    def data_sha256(self) -> str:
        """Identity of the rows that it was made from."""
        return self.manifest["data_sha256"]

    @property
    def sequences(self) -> Mapping[str, int]:
        """Sequences of each split."""
        return self.manifest["sequences"]

    @property
    def highest_token(self) -> tuple[int, str]:
        """The greatest token id, and the id of a row that has it."""
        token, row = self.manifest["highest_token"]
        return token, row

    def files(self, split: str) -> list[str]:
        """Return the Arrow files of a split, in order."""
        return [str(self.folder / name) for name in self.manifest["files"][split]]

    def differing(self, layout: Layout, tokenizer: str) -> list[str]:
        """Return in what the set differs from the one that a stage with this tokenizer wants."""
        wanted, held = {**asdict(layout), "tokenizer": tokenizer}, dict[str, object](self.manifest)
        return [name for name, value in wanted.items() if held[name] != value]


def open_set(folder: Path) -> TokenisedSet:
    """Open a set.

    Raises:
        TrainingError: the folder holds no finished set of this version.
    """
    try:
        manifest: SetManifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        version = manifest["version"]
        with np.load(folder / COUNTS_FILE) as arrays:
            columns = {name: arrays[name] for name in arrays}
        gone = [name for names in manifest["files"].values() for name in names if not (folder / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{folder} is not a tokenised set: {error}") from error
    if gone:
        raise TrainingError(f"{folder} is not a tokenised set: {gone[0]} is not there")
    if version != SET_VERSION:
        raise TrainingError(f"{folder} is a tokenised set of version {version}, not {SET_VERSION}. Tokenise again.")
    return TokenisedSet(folder, manifest, RowCounts(**columns, untrainable_ids=tuple(manifest["untrainable_ids"])))


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return the identity of a fast tokenizer and its chat template: what decides which ids a row becomes."""
    digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode())
    digest.update(str(tokenizer.chat_template).encode())
    return digest.hexdigest()


def set_identity(data_sha256: str, tokenizer: str, layout: Layout) -> str:
    """Return the name of a set: the same for all recipes that need the same."""
    return content_id(version=SET_VERSION, data=data_sha256, tokenizer=tokenizer, **asdict(layout))


def build_set(
    splits: Mapping[str, Iterable[Sample]],
    *,
    words: ChatTokenizer,
    layout: Layout,
    folder: Path,
    data_sha256: Callable[[], str],
    processes: int = 1,
) -> TokenisedSet:
    """Tokenise rows into a folder, which appears whole or not at all.

    Args:
        splits: Rows of `train` and `validation`, in the order that they shall have; only the former are packed.
        words: The tokenizer.
        layout: Length and packing.
        folder: Where the set shall be.
        data_sha256: Called when all rows have been read; their identity.
        processes: How many render and tokenise.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        written = _write(splits, words, layout, unfinished, processes)
        rows = data_sha256()
        identity = set_identity(rows, written["tokenizer"], layout)
        manifest: SetManifest = {**written, "data_sha256": rows, "identity": identity}
        (unfinished / MANIFEST_FILE).write_text(json.dumps(manifest, sort_keys=True), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return open_set(folder)


def _write(
    splits: Mapping[str, Iterable[Sample]], words: ChatTokenizer, layout: Layout, folder: Path, processes: int
) -> _Written:
    files: dict[str, list[str]] = {}
    sequences: dict[str, int] = {}
    counts, untrainable, highest = _Counts(), list[str](), (0, "")
    for split in (TRAIN, VALIDATION):
        shards = _Shards(folder, split)
        packer = _Packer(folder, layout.max_length) if layout.packing and split == TRAIN else None
        for names, rendered in _rendered(splits.get(split, ()), words, processes):
            rows = cut(rendered, layout.max_length)
            (packer or shards).add(rows)
            highest = max(highest, _highest(names, rendered))
            if split == TRAIN:
                counts.add(rendered)
                untrainable += _untrainable(names, rendered, layout.max_length)
        if packer:
            packer.write(shards)
        files[split], sequences[split] = shards.close()
    np.savez(folder / COUNTS_FILE, **counts.arrays())
    return {
        "version": SET_VERSION,
        "max_length": layout.max_length,
        "packing": layout.packing,
        "fold": layout.fold,
        "validation_rows": layout.validation_rows,
        "tokenizer": tokenizer_sha256(words.tokenizer),
        "files": files,
        "sequences": sequences,
        "untrainable_ids": untrainable,
        "highest_token": highest,
    }


def _highest(names: list[str], rendered: Rendered) -> tuple[int, str]:
    """Return the greatest token id of a batch, and a row that has it."""
    if not len(rendered.ids):
        return 0, ""
    at = int(rendered.ids.argmax())
    return int(rendered.ids[at]), names[int(np.searchsorted(np.cumsum(rendered.lengths), at, side="right"))]


def _untrainable(names: list[str], rendered: Rendered, max_length: int) -> list[str]:
    lost = np.flatnonzero(rendered.prompts >= np.minimum(rendered.lengths, max_length))
    return [names[index] for index in lost.tolist()]


_renderer: Renderer | None = None
"""Of a process that renders."""


def _start(source: str, revision: str | None) -> None:
    global _renderer
    _renderer = Renderer(load_chat_tokenizer(source, revision).tokenizer)


def _render(samples: list[Sample]) -> Rendered:
    assert _renderer is not None
    return _renderer.render(samples)


def _rendered(samples: Iterable[Sample], words: ChatTokenizer, processes: int) -> Iterator[tuple[list[str], Rendered]]:
    """Yield batches in order, with the ids of their rows; few are in memory at once."""
    batches = _batches(samples)
    first = [batch for batch, _ in zip(batches, range(IN_ONE_PROCESS // BATCH_ROWS), strict=False)]
    with _pool(words, processes if len(first) * BATCH_ROWS >= IN_ONE_PROCESS else 1) as submit:
        waiting: deque[tuple[list[str], Future[Rendered]]] = deque()
        for batch in _joined(first, batches):
            waiting.append(([sample.sample_id for sample in batch], submit(batch)))
            if len(waiting) > 2 * processes:
                names, done = waiting.popleft()
                yield names, done.result()
        while waiting:
            names, done = waiting.popleft()
            yield names, done.result()


def _batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _joined(first: list[list[Sample]], rest: Iterator[list[Sample]]) -> Iterator[list[Sample]]:
    yield from first
    yield from rest


@contextmanager
def _pool(words: ChatTokenizer, processes: int) -> Generator[Callable[[list[Sample]], Future[Rendered]]]:
    if processes > 1:
        with ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_start, initargs=(words.source, words.revision)
        ) as pool:
            yield lambda batch: pool.submit(_render, batch)
        return
    renderer = Renderer(words.tokenizer)

    def at_once(batch: list[Sample]) -> Future[Rendered]:
        done: Future[Rendered] = Future()
        done.set_result(renderer.render(batch))
        return done

    yield at_once


class _Counts:
    """What the audit needs of each row, gathered from batches."""

    def __init__(self) -> None:
        self.batches: list[Rendered] = []

    def add(self, rendered: Rendered) -> None:
        empty = np.empty(0, dtype=np.int32)
        self.batches.append(Rendered(empty, rendered.lengths, rendered.prompts, rendered.ended, rendered.controlled))

    def arrays(self) -> dict[str, Any]:
        def joined(name: str, kind: Any) -> Any:
            return np.concatenate([np.empty(0, dtype=kind), *(getattr(batch, name) for batch in self.batches)])

        prompts, lengths = joined("prompts", np.int32), joined("lengths", np.int32)
        return {
            "prompts": prompts,
            "completions": lengths - prompts,
            "ended": joined("ended", np.bool_),
            "controlled": joined("controlled", np.bool_),
        }


class _Shards:
    """Arrow files of one split, each up to `SHARD_TOKENS`."""

    def __init__(self, folder: Path, split: str):
        self.folder, self.split = folder, split
        self.names: list[str] = []
        self.sequences = self.tokens = 0
        self.sink: Any = None

    def add(self, rows: Rows, seq_lengths: Any = None) -> None:
        """Write rows; `seq_lengths` is an Arrow list of the lengths of what each of them is packed of."""
        if not len(rows.lengths):
            return
        columns = {"input_ids": _lists(rows.ids, rows.lengths), "labels": _lists(rows.labels, rows.lengths)}
        if seq_lengths is not None:
            columns["seq_lengths"] = seq_lengths
        batch = pa.record_batch(columns)
        if self.sink is None or self.tokens > SHARD_TOKENS:
            self._next(batch.schema)
        sink: Any = self.sink
        sink.write_batch(batch)
        self.sequences += len(rows.lengths)
        self.tokens += len(rows.ids)

    def _next(self, schema: Any) -> None:
        if self.sink is not None:
            self.sink.close()
        self.names.append(f"{self.split}-{len(self.names):05d}.arrow")
        self.sink, self.tokens = pa.ipc.new_stream(str(self.folder / self.names[-1]), schema), 0

    def close(self) -> tuple[list[str], int]:
        if self.sink is not None:
            self.sink.close()
        return self.names, self.sequences


class _Packer:
    """Keeps rows flat on disk until all lengths are known, then writes them pack by pack."""

    def __init__(self, folder: Path, max_length: int):
        self.max_length = max_length
        self.paths = (folder / "ids.flat", folder / "labels.flat")
        self.sinks = [path.open("wb") for path in self.paths]
        self.lengths: list[Ids] = []

    def add(self, rows: Rows) -> None:
        for sink, values in zip(self.sinks, (rows.ids, rows.labels), strict=True):
            sink.write(values.tobytes())
        self.lengths.append(rows.lengths)

    def write(self, shards: _Shards) -> None:
        for sink in self.sinks:
            sink.close()
        lengths = np.concatenate([np.empty(0, dtype=np.int32), *self.lengths])
        if len(lengths):
            flat = [np.memmap(path, dtype=np.int32, mode="r") for path in self.paths]
            packs = pack(lengths, self.max_length)
            for first in range(0, len(packs), BATCH_ROWS):
                shards.add(*_packed(packs, range(first, min(first + BATCH_ROWS, len(packs))), lengths, flat))
        for path in self.paths:
            path.unlink()


def _packed(packs: Packs, wanted: range, lengths: Ids, flat: list[Any]) -> tuple[Rows, Any]:
    ends = np.cumsum(lengths, dtype=np.int64)
    bounds = packs.starts[wanted.start : wanted.stop + 1]
    rows = packs.rows[bounds[0] : bounds[-1]]
    spans = [slice(int(ends[row]) - int(lengths[row]), int(ends[row])) for row in rows.tolist()]
    ids, labels = (np.concatenate([values[span] for span in spans]) for values in flat)
    filled = np.add.reduceat(lengths[rows], bounds[:-1] - bounds[0])
    return Rows(ids, labels, filled.astype(np.int32)), _lists(lengths[rows], np.diff(bounds))


def _lists(values: Any, lengths: Any) -> Any:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.int32, copy=False)))
