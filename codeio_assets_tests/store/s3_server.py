"""A small S3 server for tests: conditional puts are atomic, unless it is told to ignore conditions or to fail.

It speaks what the store uses: PUT with If-Match and If-None-Match, GET, HEAD, listing version 2, deleting several.
"""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"
WRITER = "x-amz-meta-codeio-write"
PAGE = 50
"""Names per page of a listing, so that tests meet several."""


class S3Server(ThreadingHTTPServer):
    """The server and what it holds.

    Args:
        objects: key -> bytes.
        requests: (method, key, status) of each.
        ignores_conditions: as s3rver does.
        fails: whether it answers 503 to everything.
        drops_answers: puts that are done, and whose answer is lost.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.writers: dict[str, str] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.lock = threading.Lock()
        self.ignores_conditions = False
        self.fails = False
        self.drops_answers = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a client of it has in its environment."""
        return environment_of(self.server_port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that were killed."""


def environment_of(port: int) -> dict[str, str]:
    """Return what a client of a server on a port has in its environment."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
    }


MOTO = """
import threading
import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
known = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.server_port}", **known).create_bucket(Bucket="bucket")
print(server.server_port, flush=True)
threading.Event().wait()
"""
"""One request at a time: moto looks at a condition and writes in two steps."""


@contextmanager
def serving_moto(python: str) -> Iterator[dict[str, str]]:
    """Serve S3 by moto in an interpreter that has it; yields what a client has in its environment."""
    command = [python, "-c", MOTO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield environment_of(int(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def serving() -> Iterator[S3Server]:
    server = S3Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: S3Server

    def log_request(self, *_: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            there = self.server.objects.get(self._key)
            if self.server.fails:
                return self._answer(503)
            if not self.server.ignores_conditions:
                if self.headers.get("If-None-Match") == "*" and there is not None:
                    return self._answer(412)
                if (wanted := self.headers.get("If-Match")) and (there is None or wanted != _etag(there)):
                    return self._answer(404 if there is None else 412)
            self.server.objects[self._key] = data
            self.server.writers[self._key] = self.headers.get(WRITER, "")
            if self.server.drops_answers and self.headers.get("If-Match"):
                self.server.drops_answers -= 1
                self.close_connection = True
                self.connection.close()
                return None
        return self._answer(200, headers={"ETag": _etag(data)})

    def do_GET(self) -> None:
        with self.server.lock:
            data = self.server.objects.get(self._key)
        if self.server.fails:
            return self._answer(503)
        if not self._key:
            return self._list()
        if data is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if self.headers.get("If-None-Match") == _etag(data):
            return self._answer(304, headers={"ETag": _etag(data)})
        return self._answer(200, data, {**_headers(data), WRITER: self.server.writers.get(self._key, "")})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.server.fails:
            return self._answer(503)
        keys = [part.split("</Key>")[0] for part in body.split("<Key>")[1:]]
        with self.server.lock:
            for key in keys:
                self.server.objects.pop(unquote(key), None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def _list(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = asked.get("continuation-token") or asked.get("start-after", "")
        with self.server.lock:
            keys = sorted(key for key in self.server.objects if key.startswith(prefix) and key > after)
            found = [(key, self.server.objects[key]) for key in keys]
        folders = {_folder(key, prefix, delimiter) for key, _ in found} - {""} if delimiter else set[str]()
        found = [(key, data) for key, data in found if not (delimiter and _folder(key, prefix, delimiter))]
        page, more = found[:PAGE], len(found) > PAGE
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(_etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in page
        )
        shared = "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else ""
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}{shared}"
        self._answer(200, f"<ListBucketResult>{told}</ListBucketResult>".encode())

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}").lstrip("/")

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.server.requests.append((self.command, self._key, status))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _headers(data: bytes) -> dict[str, str]:
    return {"ETag": _etag(data), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}


def _folder(key: str, prefix: str, delimiter: str) -> str:
    rest = key.removeprefix(prefix)
    return prefix + rest.split(delimiter)[0] + delimiter if delimiter in rest else ""
