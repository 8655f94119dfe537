"""docs/data_quality.md names every check, flaw, setting and section of the report."""

import re

from codeio_assets.core.settings.project import load_settings
from codeio_assets.core.settings.quality import DEFAULT_TOLERANCES, FLAWS, Quality
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets.reports.page import IF_ANY, SECTIONS

PAGE = (INSTALLED_ROOT / "docs" / "data_quality.md").read_text("utf-8")


def test_every_check_is_explained() -> None:
    from codeio_assets.definitions import defs

    names = {key.name for key in defs().get_repository_def().asset_graph.asset_check_keys}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_every_flaw_has_its_row_with_its_tolerances() -> None:
    for flaw in FLAWS:
        row = re.search(rf"^\| `{flaw}` \|.*\|([^|]*)\|([^|]*)\|$", PAGE, re.MULTILINE)
        assert row is not None, flaw
        tolerance = DEFAULT_TOLERANCES[flaw]
        shown = ["" if share is None else f"{share:.0%}" for share in (tolerance.warn_above, tolerance.block_above)]
        assert [cell.strip() for cell in row.groups()] == shown, flaw


def test_the_settings_that_are_shown_are_valid_and_complete(tmp_path) -> None:
    blocks = re.findall(r"```yaml\n(quality:.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "codeio.yaml").write_text(f"chat: {{model: m}}\n{block}")
        shown = load_settings(tmp_path / "codeio.yaml").quality
        if block is blocks[0]:
            assert shown == Quality.model_validate({})
            assert shown.model_fields_set == set(Quality.model_fields)


def test_every_section_of_the_report_is_explained() -> None:
    words = PAGE.lower().replace("; by length; by difficulty", ", accuracy by length, accuracy by difficulty")
    assert [
        section.title for section in SECTIONS if section.query not in IF_ANY and section.title.lower() not in words
    ] == []
