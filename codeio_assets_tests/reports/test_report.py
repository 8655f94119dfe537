import json
import re
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import pytest
from plotly import graph_objects

from codeio_assets.core.tables.data import TABLES
from codeio_assets.graph.steps import QUALITY_REPORT, SHARD_REPORTS
from codeio_assets.project import INSTALLED_ROOT, Project, browser_url
from codeio_assets.reports import Reported, build_report, build_shard_report
from codeio_assets.reports.page import EXAMPLES, SECTIONS
from codeio_assets.reports.queries import ReportError
from codeio_assets.running.inputs import inputs_of
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny

MAX_BYTES = 5_000_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;<!--\x00\u2028]]>"


class Page(HTMLParser):
    """Collects what a browser would see: elements, script contents, text."""

    VOID = frozenset({"meta", "br", "hr", "link"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def figures(self) -> dict[str, dict]:
        return json.loads(self.scripts[0])


def reported_over(project: Project, warehouse: Warehouse, shard: str | None = None) -> Reported:
    """Return what the asset gives to a report, of everything or of a shard."""
    step, partition = (SHARD_REPORTS, shard) if shard else (QUALITY_REPORT, "all")
    given = inputs_of(step, partition, WithShards(project.root, project.home), warehouse)
    return Reported(step.uses(project, partition), warehouse, given.snapshot, given.reads)


class Registered:
    def keys(self) -> list[str]:
        return list(tiny.SHARDS)


class WithShards(Project):
    """A project that has the shards of the tiny warehouse registered."""

    @property
    def shards(self) -> Registered:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Registered()


def built(project: Project, warehouse: Warehouse) -> Page:
    build_report(reported_over(project, warehouse), project.report)
    return Page(project.report.read_text(encoding="utf-8"))


def test_table_is_the_funnel(project: Project, tiny_warehouse: Warehouse):
    result = build_report(reported_over(project, tiny_warehouse), project.report)
    frame = result.tables["quality_report"]
    TABLES["quality_report"].validate(frame, lazy=True)
    counts = dict(frame.select("step", "rows").iter_rows())
    assert counts == {
        "raw files": tiny.RAW_FILES,
        "eligible files": tiny.ELIGIBLE,
        "unified functions": tiny.FUNCTIONS,
        "functions with pairs": tiny.WITH_PAIRS,
        "input/output pairs": tiny.PAIRS,
        "prediction tasks": tiny.TASKS,
        "answered at turn 1": tiny.ANSWERED,
        "correct at turn 1": tiny.CORRECT_FIRST,
        "correct after revision": tiny.CORRECT_AT_LAST,
        "stage 1 samples, demo": 16,
        "stage 2 samples, demo": 3,
        "stage 1 tokens, demo": 12_000,
        "stage 2 tokens, demo": 24_000,
    }
    assert result.items_in == result.items_out == len(frame)
    assert result.info["report_bytes"] == project.report.stat().st_size


def test_two_builds_give_the_same_bytes(project: Project, tiny_warehouse: Warehouse):
    build_report(reported_over(project, tiny_warehouse), project.report)
    first = project.report.read_bytes()
    build_report(reported_over(project, tiny_warehouse), project.report)
    assert project.report.read_bytes() == first
    assert len(first) < MAX_BYTES


def test_failed_build_keeps_the_former_report(project: Project, tiny_warehouse: Warehouse, tmp_path: Path):
    build_report(reported_over(project, tiny_warehouse), project.report)
    before = project.report.read_bytes()
    copytree(INSTALLED_ROOT / "sql", tmp_path / "root" / "sql")
    broken = Project(tmp_path / "root", project.home)
    (broken.root / "sql/reports/usage.sql").write_text("-- Broken.\nselect nonsense from nowhere")
    with pytest.raises(ReportError, match=r"usage\.sql"):
        build_report(reported_over(broken, tiny_warehouse), broken.report)
    (broken.root / "sql/reports/usage.sql").unlink()
    with pytest.raises(ReportError, match=r"lacks usage\.sql"):
        build_report(reported_over(broken, tiny_warehouse), broken.report)
    assert project.report.read_bytes() == before
    assert [path.name for path in project.report.parent.iterdir()] == [project.report.name]


def test_nothing_comes_from_outside(project: Project, tiny_warehouse: Warehouse):
    page = built(project, tiny_warehouse)
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name)
            link = tag == "a" and name == "href" and (value or "").startswith(f"{browser_url()}/")
            assert value is None or value.startswith("#") or link, (tag, attributes)
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    style = re.search(r"<style>(.*?)</style>", project.report.read_text("utf-8"), re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_plots_are_valid_plotly_figures_with_a_text_and_a_table(project: Project, tiny_warehouse: Warehouse):
    page = built(project, tiny_warehouse)
    # the tiny warehouse has one version of each shard, so nothing can have drifted
    plotted = [section.query for section in SECTIONS if section.plot and section.query != "drift"]
    assert sorted(page.figures) == sorted(f"plot-{name}" for name in plotted)
    for figure in page.figures.values():
        graph_objects.Figure(figure)  # raises on a property that plotly does not know
    plots = {attributes["id"]: attributes for tag, attributes in page.elements if attributes.get("class") == "plot"}
    assert set(plots) == set(page.figures)
    for attributes in plots.values():
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 20
    assert page.text.count("The numbers behind the plot") == len(plotted)


def test_page_can_be_walked_by_landmarks_and_headings(project: Project, tiny_warehouse: Warehouse):
    page = built(project, tiny_warehouse)
    for tag in ("header", "nav", "main", "footer", "h1"):
        assert len(page.named(tag)) == 1
    assert page.named("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] or "#" for attributes in page.named("a")]
    targets = [link[1:] for link in links if not link.startswith(f"{browser_url()}/")]  # others lead to the browser
    assert set(targets) <= set(ids)
    assert {section.query for section in (*SECTIONS, EXAMPLES)} - {"benchmark_results"} <= set(targets)
    assert all(attributes.get("aria-labelledby") in ids for attributes in page.named("section") if "id" in attributes)
    assert not page.open


def test_headline_says_what_became_of_the_files(project: Project, tiny_warehouse: Warehouse):
    text = built(project, tiny_warehouse).text
    assert "10 raw files became 6 functions, 10 input/output pairs and 20 prediction tasks." in text
    assert "the answers of 10 tasks (50.0%) at turn 1 and of 15 (75.0%) after revision." in text
    assert "2.500 → 2.000" in text


def test_examples_show_prompt_response_verdict_and_execution(project: Project, tiny_warehouse: Warehouse):
    page = built(project, tiny_warehouse)
    assert len(page.named("article")) == 12  # two of each kind in each direction
    for words in ("Right at once: predict the output", "Right after revision: predict the input", "Never right"):
        assert words in page.text
    assert "Turn 2: a and b are added." in page.text
    assert "The prediction is not correct (wrong)." in page.text
    assert "What it gives when executed" in page.text


def test_report_on_a_shard_has_its_rows_alone(project: Project, tiny_warehouse: Warehouse):
    result = build_shard_report(
        reported_over(project, tiny_warehouse, "beta-0001"), project.shard_report("beta-0001"), "beta-0001"
    )
    frame = result.tables["shard_reports"]
    TABLES["shard_reports"].validate(frame, lazy=True)
    counts = dict(frame.select("step", "rows").iter_rows())
    assert (counts["raw files"], counts["unified functions"], counts["prediction tasks"]) == (3, 2, 8)
    assert not any("samples" in step for step in counts)
    page = Page(project.shard_report("beta-0001").read_text("utf-8"))
    assert "Quality report: beta-0001" in page.text
    assert "alpha" not in page.text
    assert "plot-losses" not in page.figures
    assert {"plot-funnel", "plot-verdict_flow", "plot-cot_flaws"} <= set(page.figures)
    assert "No shard was judged twice yet." in page.text
    assert "| raw files | 3 |" in str(result.info["summary"])


def test_examples_name_the_flaws_of_a_response(project: Project, tiny_warehouse: Warehouse):
    assert "Flaws found: answer missing, too short." in built(project, tiny_warehouse).text


def test_reasons_are_explained(project: Project, tiny_warehouse: Warehouse):
    assert "fewer characters than `min_chars` of its source's filters" in built(project, tiny_warehouse).text


def test_empty_warehouse_says_what_is_missing(project: Project, tmp_path: Path):
    page = built(project, Warehouse(tmp_path / "none"))
    assert page.figures == {}
    assert page.scripts[1] == ""
    assert "The warehouse is empty: no shard was read yet." in page.text
    for section in SECTIONS:
        assert section.nothing in page.text


def test_without_training_the_rest_stands(project: Project, tmp_path: Path):
    content = tiny.tables()
    for table in [name for name in content[tiny.RECIPE] if name.startswith("sft_")]:
        del content[tiny.RECIPE][table]
    page = built(project, tiny.write(Warehouse(tmp_path / "untrained"), content))
    assert "Nothing was trained yet." in page.text
    assert "plot-losses" not in page.figures
    assert "plot-funnel" in page.figures


def test_hostile_text_stays_text(project: Project, tmp_path: Path, tiny_warehouse: Warehouse):
    content = tiny.tables()
    for named in content.values():
        for table, rows in named.items():
            for row in rows:
                _poison(table, row)
    harmless = built(project, tiny_warehouse)
    page = built(project, tiny.write(Warehouse(tmp_path / "hostile"), content))
    # more elements only where a long value brings the note that it was cut; never a new kind, never a handler
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in harmless.elements}
    assert len(page.scripts) == len(harmless.scripts)
    assert page.scripts[2] == harmless.scripts[2]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "<" not in json.dumps([figure["data"] for figure in page.figures.values()])
    assert "\x00" not in project.report.read_text("utf-8")


def _poison(table: str, row: dict) -> None:
    columns = ("source", "path", "repository", "prompt", "response", "model_id", "feedback", "detail", "query",
               "predicted_json", "executed_output_json", "error_type", "output_json", "recipe", "base_model",
               "reasoning", "step_name")  # fmt: skip
    for name in columns:
        if isinstance(row.get(name), str):
            row[name] += HOSTILE
    if row.get("reasoning", "") is None:
        row["reasoning"] = HOSTILE


def test_long_texts_are_cut_and_say_so(project: Project, tmp_path: Path):
    content = tiny.tables()
    for row in content["alpha-0001"]["predictions"]:
        row["response"] = "a" * 2_000_000
    page = built(project, tiny.write(Warehouse(tmp_path / "long"), content))
    assert "1,994,000 characters more" in page.text
    assert project.report.stat().st_size < MAX_BYTES


def test_added_query_becomes_a_section(tmp_path: Path, tiny_warehouse: Warehouse):
    copytree(INSTALLED_ROOT / "sql", tmp_path / "root" / "sql")
    project = Project(tmp_path / "root", tmp_path)
    query = "-- The licences.\nselect license, count(*) as rows from raw_code_files group by license order by license"
    (project.root / "sql/reports/licences_found.sql").write_text(query)
    page = built(project, tiny_warehouse)
    assert "Licences found" in page.text
    assert "The licences." in page.text
