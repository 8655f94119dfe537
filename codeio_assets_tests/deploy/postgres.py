"""A Postgres of the tests' own, from the machine's package, with a password, and run as an ordinary user."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def _found(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


def missing() -> str | None:
    """Return what is not there that a Postgres needs, None when all is."""
    lost = [name for name in ("initdb", "postgres") if not _found(name)]
    return f"{' and '.join(lost)} (package postgresql)" if lost else None


@contextmanager
def postgres(password: str) -> Iterator[int]:
    """Run one; gives the port on 127.0.0.1. User and database are `dagster` and `postgres`."""
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="codeio-postgres-", dir="/tmp") as name:
        folder = Path(name)
        secret = folder / "password"
        secret.write_text(password)
        if user:
            os.chown(folder, NOBODY, NOBODY)
            os.chown(secret, NOBODY, NOBODY)
        made = [_found("initdb"), "-D", str(folder / "data"), "-U", "dagster", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run([*user, *made, f"--pwfile={secret}"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        line = [_found("postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", name, "-c", "fsync=off"]
        server = subprocess.Popen(
            [*user, *line, "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            _wait(port, server)
            yield port
        finally:
            server.terminate()
            server.wait(30)


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return
