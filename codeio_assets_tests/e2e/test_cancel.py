"""The real webserver and daemon: what is cancelled, or told to stop, stops, is not retried, and goes on when asked."""

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from codeio_assets_tests.e2e.webserver import Webserver, webserver
from codeio_assets_tests.lifecycle.projects import all_gone, slow_project, slowly, wait_until

FILES, SHARDS = 200, ["mine-0000", "mine-0001"]
ASSETS = ["raw_code_files", "file_labels", "eligible_code_files", "unified_functions"]
"""More files than are asked about before the third stop, however slow the machine is."""
CONCURRENCY, DELAY_S = 2, 2.0
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
CANCEL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
BACKFILL = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
RUNS = "{ runsOrError(limit: 100) { ... on Runs { results { runId status tags { key value } } } } }"

pytestmark = pytest.mark.timeout(1500)


def runs(server: Webserver) -> list[dict[str, Any]]:
    return server.ask(RUNS)["runsOrError"]["results"]


def working(server: Webserver) -> list[psutil.Process]:
    """Return the processes that execute runs and have processes of their own by now."""
    return [worker for worker in server.run_workers() if worker.is_running() and worker.children(recursive=True)]


def backfill(server: Webserver) -> str:
    params = {"assetSelection": [{"path": [name]} for name in ASSETS], "partitionNames": SHARDS, "tags": []}
    started = server.ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    return started["backfillId"]


def backfill_status(server: Webserver, one: str) -> str:
    return server.ask(BACKFILL, id=one)["partitionBackfillOrError"]["status"]


def test_what_is_stopped_stops_is_not_retried_and_goes_on_when_asked(tmp_path: Path) -> None:
    with (
        slow_project(tmp_path, FILES, delay_s=DELAY_S, concurrency=CONCURRENCY, shard_size=FILES // 2) as project,
        webserver(project.home, **project.own) as server,
    ):
        asked = project.server.asked

        def stops(how: str, one: str) -> None:
            """Stop the run that asks, and see that nobody asks any more and nothing of it is left."""
            wait_until(lambda: working(server))
            before = len(project.server.sent)  # an answer to the run that was stopped before may still arrive till now
            wait_until(lambda: len(project.server.sent) > before)
            (worker, *_) = working(server)
            tree = [worker, *worker.children(recursive=True)]
            at_stop, since = len(asked), time.monotonic()
            if how == "backfill":
                assert server.ask(CANCEL, id=one)["cancelPartitionBackfill"]["__typename"] == "CancelBackfillSuccess"
                wait_until(lambda: backfill_status(server, one) == "CANCELED")
            elif how == "terminate":
                assert server.ask(TERMINATE, id=one)["terminateRun"]["__typename"] == "TerminateRunSuccess"
                assert server.wait_for_run(one) == "CANCELED"
            else:
                worker.send_signal(signal.SIGTERM)
                assert server.wait_for_run(one) == "CANCELED"
            elapsed_s = time.monotonic() - since  # the daemon cancels a backfill when it looks
            assert len(asked) <= at_stop + CONCURRENCY * (elapsed_s / DELAY_S + 2)
            assert all_gone(tree)

        stops("backfill", backfill(server))
        stops("terminate", server.launch(assets=ASSETS, partition=SHARDS[0]))
        stops("SIGTERM", server.launch(assets=ASSETS, partition=SHARDS[0]))
        stopped, sent = len(asked), len(set(project.server.sent))
        time.sleep(15)  # the daemon looks every five seconds for what it is to start again
        assert len(asked) == stopped
        assert {run["status"] for run in runs(server)} == {"CANCELED"}, runs(server)
        assert not [tag for run in runs(server) for tag in run["tags"] if tag["key"] == "dagster/retry_number"]

        project.server.script = slowly(0.0)
        again = backfill(server)
        wait_until(lambda: backfill_status(server, again) not in {"REQUESTED", "CANCELING"})
        assert backfill_status(server, again) == "COMPLETED_SUCCESS"
        assert FILES - sent <= len(asked) - stopped <= FILES - sent + 3 * CONCURRENCY, (
            "what was answered is not asked again"
        )
