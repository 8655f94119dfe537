"""A bounded number of places, taken by threads and by coroutines alike, first come first served.

What does not live here: what is done in a place (`judging`).
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future


class Places:
    """Like a semaphore: whoever finds no place waits for one that is given back, in turn."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: deque[Future[None]] = deque()

    def take(self) -> None:
        """Take a place; the thread waits for one."""
        self._ask().result()

    async def take_async(self) -> None:
        """Take a place; the coroutine waits for one. Who is cancelled meanwhile holds none."""
        place = self._ask()
        try:
            await asyncio.wrap_future(place)
        except asyncio.CancelledError:
            if not place.cancel() and not place.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a place back: to the first that waits and is still interested."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                following = self._waiting.popleft()
            if following.set_running_or_notify_cancel():
                following.set_result(None)
                return

    def _ask(self) -> Future[None]:
        place: Future[None] = Future()
        with self._lock:
            if not self._free:
                self._waiting.append(place)
                return place
            self._free -= 1
        place.set_running_or_notify_cancel()
        place.set_result(None)
        return place
