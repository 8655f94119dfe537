"""Texts that are ready before their turn: held in memory while they are few, and on disk beyond that.

What does not live here: what the texts say.
"""

from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

MEMORY_BYTES = 32 << 20


class Held:
    """Texts by their keys, to be read once all are there. A context manager: its file goes when it ends."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  (closed at our own end)
        self._places: dict[tuple[int, int], tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, key: tuple[int, int], text: str) -> None:
        """Hold a text."""
        data = text.encode()
        self._places[key] = (self._file.seek(0, 2), len(data))
        self._file.write(data)

    def read(self, key: tuple[int, int]) -> str:
        """Return a text that is held.

        Raises:
            KeyError: there is none of this key.
        """
        start, size = self._places[key]
        self._file.seek(start)
        return self._file.read(size).decode()
