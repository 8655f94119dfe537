"""What site, workflow, hooks and issue forms name is there; the links themselves are checked by `make docs-site`."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from codeio_assets.project import INSTALLED_ROOT as ROOT

TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def pages(nav: Any) -> Iterator[str]:
    """Yield the pages of a part of `nav`: a page, a list of parts, or a title with its part."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav if isinstance(nav, list) else nav.values():
            yield from pages(part)


def test_every_page_has_its_place_on_the_site() -> None:
    docs = ROOT / "docs"
    assert sorted(pages(loaded("mkdocs.yml")["nav"])) == sorted(
        page.relative_to(docs).as_posix() for page in docs.rglob("*.md")
    )


def test_the_workflow_runs_what_is_there() -> None:
    steps = [step for job in loaded(".github/workflows/ci.yml")["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert ".ci/run" in commands
    assert (ROOT / ".ci" / "run").is_file()
    assert {word for command in commands for word in command.split()[1:] if command.startswith("make ")} <= TARGETS


def test_the_hooks_run_what_is_there() -> None:
    hooks = [hook for repository in loaded(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    scripts = {script for hook in hooks for script in re.findall(r"tools/\w+\.py", hook["entry"])}
    assert {script for script in scripts if not (ROOT / script).is_file()} == set()
    lint = re.search(r"^lint:.*\n\t(.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert lint
    assert scripts == set(re.findall(r"tools/\w+\.py", lint[1])), "hooks and `make lint` check the same"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_asks_for_something(form: Any) -> None:
    asked = yaml.safe_load(form.read_text("utf-8"))
    assert {"name", "description", "body"} <= asked.keys()
    assert any(part.get("validations", {}).get("required") for part in asked["body"])
