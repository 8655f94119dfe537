"""Serving the pages: a port of this machine alone, an index that follows the warehouse, and an end on Ctrl-C.

What does not live here: the application (`app`).
"""

import contextlib
import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator

import uvicorn

from codeio_assets.browse.app import build_app
from codeio_assets.browse.index import Index
from codeio_assets.browse.library import Library
from codeio_assets.store import StoreError

HOST = "127.0.0.1"
PORT = 3001
WAIT_S = 3.0
"""Between looks at the manifests; longer where a look takes long."""


def free_socket(port: int, host: str = HOST) -> socket.socket:
    """Return a socket that listens on a port of this machine; 0 takes any that is free.

    Raises:
        StoreError: the port is taken, or the address is none of this machine.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno != errno.EADDRINUSE:
            raise StoreError(
                f"Cannot listen on {host}:{port} ({error.strerror or error}): give another --host."
            ) from None
        raise StoreError(f"Port {port} is taken: stop what listens there, or give another with --port.") from error
    return listening


def serve(library: Library, listening: socket.socket, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Raises:
        KeyboardInterrupt: it was.
    """
    host, port = listening.getsockname()
    config = uvicorn.Config(
        build_app(library), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    server = _Server(config)
    with following(library.index):
        say(f"http://{host}:{port}  (marks as {library.person}; stop with Ctrl-C)")
        server.run(sockets=[listening])
    if server.was_stopped:
        raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """Keeps the signal that ended it: uvicorn sends it once more at its end, which would count as a second Ctrl-C."""

    was_stopped = False

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals():
            yield
            self.was_stopped = bool(self._captured_signals)
            self._captured_signals.clear()


@contextlib.contextmanager
def following(index: Index) -> Generator[None]:
    """Keep an index up to date in a thread, for the time of the block."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.is_set():
            started = time.monotonic()
            try:
                index.refresh(ended.is_set)
            except Exception as error:
                sys.stderr.write(f"codeio: the index is not up to date: {error}\n")
            ended.wait(max(WAIT_S, 10 * (time.monotonic() - started)))

    thread = threading.Thread(target=follow, name="index", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
