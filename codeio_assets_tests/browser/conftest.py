"""Headless Chromium over the real webserver and daemon; one server for all tests, as its start takes long.

Scopes end with the module: while Playwright is open its event loop runs, and no other test could start one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codeio_assets_tests.e2e.webserver import Webserver, webserver

CHROMIUM = os.environ.get("CODEIO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "no Chromium here: install the package 'chromium', or name a binary in CODEIO_CHROMIUM"
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, which CI is, Chromium has no sandbox of its own; it sees nothing but our own webserver.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    with webserver(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    yield opened
    if folder := os.environ.get("CODEIO_SCREENSHOTS"):
        opened.screenshot(path=Path(folder) / f"end_of_{request.node.name}.png")
    context.close()


@pytest.fixture
def screenshot(page: Any, tmp_path: Path) -> Any:
    """Return a function that takes a screenshot; `CODEIO_SCREENSHOTS` names a folder that keeps them."""
    folder = Path(os.environ.get("CODEIO_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        target = folder / f"{name}.png"
        page.screenshot(path=target)
        assert target.stat().st_size > 5_000, "an empty page"

    return take
