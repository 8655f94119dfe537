"""Cutting and packing, on any lengths."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeio_assets.training.tokenised.layout import IGNORED, cut, pack
from codeio_assets.training.tokenised.rendering import Rendered

BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine says nothing about these."""


@BUSY
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), max_size=30), st.integers(2, 30))
def test_rows_are_cut_dropped_and_labelled(rows: list[tuple[int, int]], limit: int) -> None:
    lengths = [prompt + completion for prompt, completion in rows]
    flags = np.zeros(len(rows), dtype=np.bool_)
    rendered = Rendered(
        ids=np.arange(sum(lengths), dtype=np.int32),
        lengths=np.array(lengths, dtype=np.int32),
        prompts=np.array([prompt for prompt, _ in rows], dtype=np.int32),
        ended=flags,
        controlled=np.zeros(len(rows), dtype=np.int32),
    )
    expected_ids, expected_labels, start = [], [], 0
    for prompt, completion in rows:
        ids = list(range(start, start + prompt + completion))[:limit]
        start += prompt + completion
        if len(ids) > prompt:
            expected_ids.append(ids)
            expected_labels.append([IGNORED] * prompt + ids[prompt:])
    found = cut(rendered, limit)
    assert found.lengths.tolist() == [len(ids) for ids in expected_ids]
    assert found.ids.tolist() == [token for ids in expected_ids for token in ids]
    assert found.labels.tolist() == [label for labels in expected_labels for label in labels]


@BUSY
@given(st.lists(st.integers(1, 64), max_size=80))
def test_packs_hold_each_row_once_and_never_overflow(lengths: list[int]) -> None:
    packs = pack(lengths, 64)
    assert sorted(packs.rows.tolist()) == list(range(len(lengths)))
    filled = [
        sum(lengths[row] for row in packs.rows[start:end])
        for start, end in zip(packs.starts, packs.starts[1:], strict=False)
    ]
    assert all(0 < tokens <= 64 for tokens in filled)
    assert len(filled) == len(packs) <= len(lengths)


def test_packing_fills_sequences_as_trl_does() -> None:
    import random

    from datasets import Dataset
    from trl.data_utils import pack_dataset

    drawn = random.Random(3)
    lengths = [drawn.randint(1, 64) for _ in range(200)]
    rows = Dataset.from_dict({"input_ids": [[number] * length for number, length in enumerate(lengths)]})
    theirs = pack_dataset(rows, 64, "bfd")
    packs = pack(lengths, 64)
    ours = [sorted(packs.rows[start:end].tolist()) for start, end in zip(packs.starts, packs.starts[1:], strict=False)]
    assert sorted(map(len, ours)) == sorted(len(set(ids)) for ids in theirs["input_ids"])
    assert sorted(sum(lengths[row] for row in pack_) for pack_ in ours) == sorted(map(len, theirs["input_ids"]))
