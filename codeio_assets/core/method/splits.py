"""Deciding by hash: which side of the split, and which random share, a function or conversation belongs to.

A decision depends on the id alone, so that nothing changes side when data is added.
"""

from typing import Literal

from codeio_assets.core.settings.project import Split
from codeio_assets.core.values.canonical import sha256_hex


def position(item_id: str, salt: str) -> float:
    """Return a number in [0, 1), uniform over ids, fixed for each (id, salt)."""
    return int(sha256_hex(f"{salt}:{item_id}")[:13], 16) / 16**13


def side(item_id: str, split: Split) -> Literal["train", "validation", "test"]:
    """Return the side of the split that a function or conversation is on, with all its samples."""
    place = position(item_id, "split")
    if place < split.test_ratio:
        return "test"
    return "validation" if place < split.test_ratio + split.validation_ratio else "train"


def takes_part(item_id: str, share: float, salt: str) -> bool:
    """Tell whether an item is in a random share; a larger share contains each smaller one of the same salt."""
    return position(item_id, salt) < share
