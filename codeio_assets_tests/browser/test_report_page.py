"""The quality report as a browser shows it: at any width, light and dark, with the keyboard, and on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.graph.uses import reported
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.reports import Reported, build_report
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DESKTOP, PHONE = 1440, 390


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("report")
    project = Project(INSTALLED_ROOT, home)
    warehouse = tiny.write(Warehouse(project.warehouse), tiny.tables())
    build_report(Reported(reported(project, "all"), warehouse, warehouse.snapshot()), project.report)
    return project.report


@pytest.fixture
def opened(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report in a page of a width and a colour scheme, once its plots are drawn."""
    width, scheme = getattr(request, "param", (DESKTOP, "light"))
    # bypass_csp: the page forbids every script but its own, and so the one that looks for obstacles
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda sent: page.problems.append(sent.url) if sent.url.startswith("http") else None)
    page.goto(report.as_uri())
    page.locator("html[data-plots=drawn]").wait_for(state="attached")
    yield page
    context.close()


@pytest.mark.parametrize("opened", [(DESKTOP, "light"), (PHONE, "light"), (PHONE, "dark")], indirect=True)
def test_nothing_stands_in_the_way_of_reading(opened: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert opened.locator(".plot svg.main-svg").count() >= 8
    found = Axe().run(opened).response["violations"]  # contrast, names, landmarks, headings, ...
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found] == []
    assert opened.title()
    assert opened.problems == []


def test_the_keyboard_comes_first_to_what_skips_the_contents(opened: Any) -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the report"
    opened.keyboard.press("Enter")
    assert opened.url.endswith("#main")


def test_on_paper_tables_are_open_and_plots_fit(opened: Any) -> None:
    assert opened.locator("details:not([open])").count() > 0
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.emulate_media(media="print")
    assert opened.locator("details:not([open])").count() == 0
    opened.wait_for_function("[...document.querySelectorAll('.plot svg.main-svg')].every(s => s.clientWidth <= 680)")
    assert not opened.locator("nav").is_visible()
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.locator("details:not([open])").count() > 0
    assert len(opened.pdf(format="A4")) > 50_000
