"""What we use of rensa 0.5, which ships no types."""

from collections.abc import Iterable
from typing import ClassVar

class RMinHash:
    ALGORITHM_VERSION: ClassVar[int]
    def __init__(self, num_perm: int, seed: int) -> None: ...
    def update(self, items: Iterable[str]) -> None: ...
    def digest(self) -> list[int]: ...
