"""How rows of tokens become what a trainer is given: cut, labelled, packed.

What lives here: arithmetic over arrays. What does not: tokens (`rendering`), files (`sets`).

Source: packing is best-fit decreasing, as in "Fewer Truncations Improve Language Modeling" (arXiv 2404.10830) and in
TRL's strategy "bfd", here over all rows at once.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codeio_assets.training.tokenised.rendering import Ids, Rendered

IGNORED = -100
"""Label of a token that the loss leaves out."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that can be trained on, cut: `ids` and `labels` are (tokens,), `lengths` is (rows,)."""

    ids: Ids
    labels: Ids
    lengths: Ids


def cut(rendered: Rendered, max_length: int) -> Rows:
    """Cut rows to a length, drop those whose prompt alone fills it, and label what the loss is computed on."""
    starts = np.cumsum(rendered.lengths, dtype=np.int64) - rendered.lengths
    kept = rendered.prompts < np.minimum(rendered.lengths, max_length)
    lengths = np.minimum(rendered.lengths, max_length)[kept]
    within = _within(lengths)
    ids = rendered.ids[np.repeat(starts[kept], lengths) + within]
    labels = np.where(within < np.repeat(rendered.prompts[kept], lengths), np.int32(IGNORED), ids)
    return Rows(ids, labels.astype(np.int32), lengths.astype(np.int32))


def _within(lengths: Ids) -> NDArray[np.int64]:
    """Return the position of each token in its row."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


@dataclass(frozen=True, slots=True)
class Packs:
    """Which rows fill which sequence: sequence i holds `rows[starts[i]:starts[i + 1]]`, in that order."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """How many sequences there are."""
        return len(self.starts) - 1


def pack(lengths: Sequence[int] | Ids, max_length: int) -> Packs:
    """Pack rows into sequences of at most `max_length` tokens: the longest first, each where least room is left."""
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    sequence = np.empty(len(sizes), dtype=np.int64)
    by_room: defaultdict[int, deque[int]] = defaultdict(deque)
    rooms, count = 0, 0  # bit n of `rooms` tells that a sequence has room for n more tokens
    for place, length in enumerate(sizes[order].tolist()):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            number = by_room[room].popleft()
            if not by_room[room]:
                rooms ^= 1 << room
        else:
            room, number = max_length, count
            count += 1
        sequence[place] = number
        if room > length:
            by_room[room - length].append(number)
            rooms |= 1 << (room - length)
    grouped = np.argsort(sequence, kind="stable")
    starts = np.searchsorted(sequence[grouped], np.arange(count + 1))
    return Packs(order[grouped], starts)
