"""Kinship of raw files: who is a copy of whom, and which files form a near-duplicate group.

Decided once per file, when its shard is registered, by looking at earlier files only; so that nothing that is added
later changes it, and groups never merge (docs/adr/0005-kinship-is-decided-at-registration.md).
MinHash signatures (rensa) are kept beside the shards.
What does not live here: what is compared (`core.method.near_duplicates`), what becomes of a copy
(`steps.eligible_code_files`).
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rensa import RMinHash

from codeio_assets.core.method.near_duplicates import code_tokens, shingles, structure_tokens
from codeio_assets.core.settings.project import NearDuplicates
from codeio_assets.core.values.canonical import sha256_hex

SEED = 42
LARGEST_BUCKET = 64
"""Earlier files of one band that a file is compared with; those of a full bucket are mostly one group anyway."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What is kept of a file to find its kin: the hash of its tokens and blocks, and its MinHash values as bytes."""

    tokens_sha256: str
    values: bytes


@dataclass(frozen=True, slots=True)
class Kin:
    """How a file stands to the earlier ones; indices count all files in the order of registration."""

    copy_of: int | None
    nearest: int | None
    similarity: float | None
    near: tuple[int, ...]


def sign(code: str, settings: NearDuplicates) -> Signature:
    """Return the signature of a file."""
    sketch = RMinHash(num_perm=settings.permutations, seed=SEED)
    sketch.update(sorted(shingles(code_tokens(code), settings.shingle_tokens)))
    return Signature(sha256_hex("\x1f".join(structure_tokens(code))), np.array(sketch.digest(), "<u4").tobytes())


def find_kin(known: Sequence[Signature | None], new: Sequence[Signature | None], settings: NearDuplicates) -> list[Kin]:
    """Return for each new file its kin among all files before it; files without a signature have none."""
    signatures = [*known, *new]
    first_with: dict[str, int] = {}
    copies: list[int | None] = []
    for index, signature in enumerate(signatures):
        twin = first_with.setdefault(signature.tokens_sha256, index) if signature else index
        copies.append(None if twin == index else twin)
    width = settings.permutations
    blank = bytes(4 * width)
    values = np.frombuffer(b"".join(s.values if s else blank for s in signatures), "<u4").reshape(-1, width)
    present = np.array([s is not None for s in signatures], bool)
    candidates = _candidates(values, present, len(known), settings)
    kin: list[Kin] = []
    for index in range(len(known), len(signatures)):
        others = np.array(sorted(candidates.get(index, ())), int)
        alike = (values[others] == values[index]).mean(axis=1) if len(others) else np.zeros(0)
        near = [int(i) for i in np.flatnonzero(alike >= settings.threshold)]
        best = max(near, key=lambda i: (alike[i], -others[i]), default=None)
        kin.append(
            Kin(
                copies[index],
                None if best is None else int(others[best]),
                None if best is None else round(float(alike[best]), 4),
                tuple(int(others[i]) for i in near),
            )
        )
    return kin


def _candidates(
    values: NDArray[np.uint32], present: NDArray[np.bool_], first_new: int, settings: NearDuplicates
) -> dict[int, set[int]]:
    """Return new file -> earlier files that share the values of a whole band with it (locality-sensitive hashing)."""
    rows = settings.rows_per_band
    found: dict[int, set[int]] = {}
    owners = np.flatnonzero(present)
    for start in range(0, settings.permutations - rows + 1, rows):
        keys = np.ascontiguousarray(values[owners, start : start + rows]).view(f"V{4 * rows}").ravel()
        _, bucket_of = np.unique(keys, return_inverse=True)
        order = np.argsort(bucket_of, kind="stable")
        for bucket in np.split(owners[order], np.flatnonzero(np.diff(bucket_of[order])) + 1):
            if len(bucket) > 1 and bucket[-1] >= first_new:
                for place in range(int(np.searchsorted(bucket, first_new)), len(bucket)):
                    earlier = bucket[: min(place, LARGEST_BUCKET)].tolist()
                    if earlier:
                        found.setdefault(int(bucket[place]), set()).update(earlier)
    return found


def signatures_file(signatures: Sequence[Signature | None], settings: NearDuplicates) -> bytes:
    """Return the signatures of a shard as a Parquet file, with the parameters that they were made with."""
    columns = {
        "tokens_sha256": [signature and signature.tokens_sha256 for signature in signatures],
        "signature": [signature and signature.values for signature in signatures],
    }
    schema = pa.schema([("tokens_sha256", pa.string()), ("signature", pa.binary())])
    table = pa.table(columns, schema.with_metadata({"parameters": _parameters(settings)}))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def read_signatures(file: bytes | None, count: int, settings: NearDuplicates) -> list[Signature | None]:
    """Return the kept signatures of a shard of `count` files: none where they are absent or were made otherwise."""
    if file is None:
        return [None] * count
    table = pq.read_table(io.BytesIO(file))
    if (table.schema.metadata or {}).get(b"parameters") != _parameters(settings).encode() or len(table) != count:
        return [None] * count
    pairs: Iterator[tuple[str | None, bytes | None]] = zip(
        *(column.to_pylist() for column in table.columns), strict=True
    )
    return [Signature(tokens, values) if tokens and values else None for tokens, values in pairs]


def _parameters(settings: NearDuplicates) -> str:
    return f"rensa {RMinHash.ALGORITHM_VERSION}, seed {SEED}, {settings.permutations}, {settings.shingle_tokens}"
