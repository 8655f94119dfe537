"""`codeio dev` as it is started: both servers refuse what other sites could send, and serve people and programs."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from codeio_assets.operating.guarded_ui import main
from codeio_assets_tests.e2e.webserver import BIN, ROOT

QUERY, CHANGE = "{ version }", "mutation { __typename }"
JSON = {"Content-Type": "application/json"}
pytestmark = pytest.mark.timeout(600)


@dataclass
class Served:
    """Ports of Dagster's UI and of the browser."""

    ui: int
    browser: int
    home: Path

    def told(self) -> str:
        """Return what it said in its terminal."""
        return (self.home / "dev.log").read_text()

    def ask(
        self, path: str, headers: dict[str, str] | None = None, *, method: str = "GET", body: Any = None, port: int = 0
    ) -> tuple[int, str]:
        """Return the status and text of an answer; without a `Host` in the headers it is the right one."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.ui, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=headers is not None and "Host" in headers)
            data = b"" if body is None else json.dumps(body).encode()
            for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, query: str, **headers: str) -> tuple[int, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("/graphql", JSON | sent, method="POST", body={"query": query})

    @property
    def own(self) -> str:
        return f"http://127.0.0.1:{self.ui}"


def two_ports() -> int:
    """Return a port that is free and has a free one above it."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_", "PYTEST"))}
    environment = kept | {"CODEIO_HOME": str(home), "CODEIO_ALLOWED_HOSTS": "named.example, Other.Example"}
    port = two_ports()
    found = Served(port, port + 1, home)
    with (home / "dev.log").open("wb") as log:
        command = [BIN / "codeio", "dev", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 240
            while True:
                assert process.poll() is None, (home / "dev.log").read_text()[-3000:]
                assert time.monotonic() < deadline, (home / "dev.log").read_text()[-3000:]
                with contextlib.suppress(OSError):
                    if found.post(QUERY)[0] == 200 and found.ask("/", port=found.browser)[0] == 200:
                        break
                time.sleep(1)
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_the_terminal_says_where_they_are_and_nothing_of_dagsters_own_affairs(served: Served) -> None:
    told = served.told()
    assert f"Dagster  http://127.0.0.1:{served.ui}\nBrowser  http://127.0.0.1:{served.browser}" in told
    assert "Launching Dagster services" in told, "what dagster says of its services stays"
    for noise in ("superseded", "elemetry", "Another", "will not be used to configure", "Traceback"):
        assert noise not in told, told


def test_a_second_one_of_the_same_project_is_one_line_and_no_second_daemon(served: Served) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_", "PYTEST"))}
    again = [BIN / "codeio", "dev", "--port"]
    environment = kept | {"CODEIO_HOME": str(served.home)}
    for port, words in ((served.ui, "is taken"), (0, "`codeio dev` or `codeio browse` of this project")):
        free = port or two_ports()  # just before it is used: others take ports meanwhile
        done = subprocess.run(
            [*again, str(free)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert words in line


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:3000", "127.0.0.1@evil.example", "", "[::1", "0.0.0.0"],
)
def test_foreign_hosts_are_refused_by_both(served: Served, host: str) -> None:
    for port in (served.ui, served.browser):
        status, text = served.ask("/", {"Host": host}, port=port)
        assert status == 403
        assert "CODEIO_ALLOWED_HOSTS" in text
    body = {"query": QUERY}
    assert served.ask("/graphql", JSON | {"Host": host}, method="POST", body=body)[0] == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:3000", "named.example:80", "other.example"]
)
def test_hosts_of_this_machine_and_named_ones_are_served_by_both(served: Served, host: str) -> None:
    assert served.ask("/", {"Host": host}, port=served.browser)[0] == 200
    assert served.ask("/", {"Host": host})[0] == 200
    status, text = served.ask(
        "/graphql", JSON | {"Host": host, "Origin": f"http://{host}"}, method="POST", body={"query": QUERY}
    )
    assert (status, "version" in text) == (200, True)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("query", [QUERY, CHANGE])
def test_other_sites_send_nothing(served: Served, origin: str, query: str) -> None:
    assert served.post(query, Origin=origin)[0] == 403
    form = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    assert served.ask(f"/graphql?query={quote(query)}", form, method="POST")[0] == 403
    assert served.ask("/report_asset_materialization/x", form, method="POST")[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_load_nothing_and_may_link(served: Served, site: str) -> None:
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for port in (served.ui, served.browser):
        assert served.ask("/", link, port=port)[0] == 200
        assert served.ask("/", {**link, "Sec-Fetch-Dest": "iframe"}, port=port)[0] == 403
        assert served.ask("/", {**link, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, port=port)[0] == 403
        assert (
            served.ask("/", {**link, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "script"}, port=port)[0] == 200
        )
    assert served.ask("/graphql", JSON | link, method="POST", body={"query": CHANGE})[0] == 403


@pytest.mark.parametrize(
    "sent",
    [
        f"query={quote(CHANGE)}",
        f"query={quote('query A { version } mutation B { __typename }')}&operationName=B",
        f"query={quote(QUERY)}&query={quote(CHANGE)}",
        f"%71uery={quote(CHANGE)}",
        f"query={quote('subscription { __typename }')}",
        f"query={quote('# query' + chr(10) + CHANGE)}",
    ],
)
def test_nothing_is_changed_by_get(served: Served, sent: str) -> None:
    for path in ("/graphql", "//graphql", "/graphql/"):
        status, text = served.ask(f"{path}?{sent}")
        assert (status, text) == (403, "Only queries may be sent by GET.\n")


def test_queries_by_get_and_changes_by_post_are_answered(served: Served) -> None:
    status, text = served.ask(f"/graphql?query={quote(QUERY)}")
    assert (status, list(json.loads(text)["data"])) == (200, ["version"])
    assert served.post(CHANGE)[0] == served.post(CHANGE, Origin=served.own, Sec_Fetch_Site="same-origin")[0] == 200
    assert '<div id="root"' in served.ask("/", {"Accept": "text/html"})[1]
    assert served.ask("/graphql?query=%7B", {})[0] == 400


def test_websockets_are_for_own_pages(served: Served) -> None:
    url = f"ws://127.0.0.1:{served.ui}/graphql"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        with socket.create_connection(("127.0.0.1", served.ui), timeout=60) as raw:
            raw.sendall(handshake({"Host": f"127.0.0.1:{served.ui}", **headers}))
            assert raw.recv(1000).startswith(b"HTTP/1.1 403"), headers
    with pytest.raises(InvalidStatus), connect(url, origin="http://evil.example", subprotocols=["graphql-ws"]):  # type: ignore[arg-type,list-item]
        pass
    with connect(url, origin=served.own, subprotocols=["graphql-ws"]) as socket_:  # type: ignore[arg-type,list-item]
        socket_.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket_.recv(60))["type"] == "connection_ack"


def handshake(headers: dict[str, str]) -> bytes:
    fixed = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "graphql-ws",
    }  # fmt: skip
    lines = ["GET /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in {**headers, **fixed}.items()), "", ""]
    return "\r\n".join(lines).encode()


def test_a_dagster_that_cannot_be_guarded_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster._cli.dev
    import dagster_webserver.cli

    monkeypatch.setattr("sys.argv", ["x"])
    monkeypatch.delattr(dagster_webserver.cli, "create_app_from_workspace_process_context")
    with pytest.raises(SystemExit, match="cannot be guarded"):
        main(["webserver"])
    monkeypatch.delattr(dagster._cli.dev, "open_ipc_subprocess")
    with pytest.raises(SystemExit, match="cannot be guarded"):
        main(["dev"])
    with pytest.raises(SystemExit, match="dev or webserver"):
        main(["other"])
