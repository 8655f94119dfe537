"""What a person does first, by clicking: look at the graph, make one shard, backfill, read checks and the report."""

import time
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.graph.steps import STEPS
from codeio_assets.store import Warehouse
from codeio_assets_tests.e2e.webserver import Webserver, break_a_row

# Dagster's pages draw themselves anew at moments of their own, and a click may fall between: a test may try twice more.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.flaky(reruns=2)]

FIRST, SECOND = "puzzles_and_games-0000", "puzzles_and_games-0001"
RUNS = """{ runsOrError(limit: 50) { ... on Runs { results { runId status tags { key value } } } } }"""
BACKFILLS = (
    """{ partitionBackfillsOrError(limit: 5) { ... on PartitionBackfills { results { status numPartitions } } } }"""
)


def runs(server: Webserver, partition: str) -> list[str]:
    found = server.ask(RUNS)["runsOrError"]["results"]
    return [run["status"] for run in found if {"key": "dagster/partition", "value": partition} in run["tags"]]


def wait_for(what: str, holds: Any, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(1)


def choose_partitions(page: Any, keys: list[str]) -> None:
    """In the dialog of partitions, choose exactly these."""
    page.get_by_text("Select a partition or create one").click()
    for key in keys:
        page.get_by_text(key, exact=True).locator("visible=true").last.click()
    page.get_by_text("Partition selection").click(force=True)  # closes the list
    page.get_by_text(f"{len(keys)} partition").first.wait_for()


def test_the_graph_shows_the_groups_in_flow_order(server: Webserver, page: Any, screenshot: Any) -> None:
    page.goto(f"{server.url}/asset-groups")
    groups = sorted({stage.group for stage in STEPS.values()})
    tops = [page.get_by_text(group, exact=True).first.bounding_box()["y"] for group in groups if _seen(page, group)]
    assert len(tops) == len(groups)
    assert tops == sorted(tops)
    screenshot("graph")


def _seen(page: Any, text: str) -> bool:
    page.get_by_text(text, exact=True).first.wait_for()
    return True


def test_one_shard_is_made_by_clicking(server: Webserver, page: Any, screenshot: Any) -> None:
    page.goto(f"{server.url}/assets/raw_code_files")
    page.get_by_text("One row per raw code file of a shard").first.wait_for()
    page.get_by_text("file_id", exact=True).first.wait_for()  # columns, before anything was made
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("dialog").wait_for()
    choose_partitions(page, [FIRST])
    page.get_by_role("dialog").get_by_role("button", name="Launch").click()
    wait_for("the run", lambda: "SUCCESS" in runs(server, FIRST))
    page.goto(f"{server.url}/assets/raw_code_files?view=partitions&partition={FIRST}")
    page.get_by_text("codeio/items_in").first.wait_for()
    screenshot("partition")
    page.goto(f"{server.url}/runs")
    page.get_by_text("codeio/source: puzzles_and_games").first.wait_for()


def test_a_backfill_is_launched_by_clicking(server: Webserver, page: Any, screenshot: Any) -> None:
    page.goto(f"{server.url}/assets/raw_code_files")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("dialog").wait_for()
    choose_partitions(page, [FIRST, SECOND])
    page.get_by_role("dialog").get_by_role("button", name="Launch").click()
    wait_for("the backfill", lambda: _backfilled(server))
    assert set(runs(server, SECOND)) == {"SUCCESS"}
    page.goto(f"{server.url}/runs?tab=backfills")
    screenshot("backfill")


def _backfilled(server: Webserver) -> bool:
    found = server.ask(BACKFILLS)["partitionBackfillsOrError"]["results"]
    return any(one["status"] == "COMPLETED_SUCCESS" and one["numPartitions"] == 2 for one in found)


def test_checks_pass_and_fail_where_they_should(server: Webserver, page: Any, screenshot: Any) -> None:
    page.goto(f"{server.url}/assets/raw_code_files?view=checks")
    page.get_by_text("Passed").or_(page.get_by_text("Failed")).first.wait_for()  # the latter when it is tried again
    break_a_row(_home(server), FIRST)
    server.launch(
        assets=[], checks=[{"assetKey": {"path": ["raw_code_files"]}, "name": "schema_matches"}], partition=FIRST
    )
    page.goto(f"{server.url}/assets/raw_code_files?view=checks")
    page.get_by_text("Failed").first.wait_for()
    page.get_by_text("codeio/failures").first.wait_for()
    screenshot("check_failed")


def _home(server: Webserver) -> Path:
    return Path(server.environment["CODEIO_HOME"])


def open_markdown(page: Any, shown: str, tries: int = 4) -> None:
    """Open the first Markdown of an asset's page; a click while the page is drawn anew opens nothing."""
    from playwright.sync_api import TimeoutError as NotShown

    for left in reversed(range(tries)):
        page.get_by_text("Show Markdown").first.click()
        try:
            page.get_by_text(shown).first.wait_for(timeout=15_000)
        except NotShown:
            if not left:
                raise
            page.reload()
        else:
            return


def test_the_status_tells_what_is_wrong(server: Webserver, page: Any, screenshot: Any) -> None:
    server.launch(assets=["status"])
    status = Warehouse(_home(server) / "warehouse")
    wait_for("the status", lambda: status.manifest("status") is not None)
    page.set_viewport_size({"width": 1440, "height": 1600})
    page.goto(f"{server.url}/assets/status")
    open_markdown(page, "shards complete")
    screenshot("status")


def test_the_report_is_made_and_opens(server: Webserver, page: Any, screenshot: Any) -> None:
    server.launch(assets=["quality_report"])
    report = _home(server) / "reports" / "quality_report.html"
    wait_for("the report", report.exists)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(report.as_uri())
    page.get_by_role("heading", name="Quality report").wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        screenshot(f"report_{width}")
    assert problems == []
