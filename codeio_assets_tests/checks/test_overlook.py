"""A look at all shards says of each what the question about it alone says."""

from pathlib import Path

import pytest

from codeio_assets.checks.overlook import Overlook
from codeio_assets.checks.registry import rules_of, standing_of
from codeio_assets.core.tables.data import frame
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import Project
from codeio_assets.running.inputs import fingerprint, inputs_of
from codeio_assets.store import Finding, Warehouse
from codeio_assets_tests.running.test_step import SHARD, project  # noqa: F401  (a fixture)

SHARD_STEPS = [step for step in STEPS.values() if step.per == "shard"]
OTHER = "mine-0001"


def make_all(project: Project, shard: str) -> None:  # noqa: F811
    """Commit every step of a shard as good, with no rows."""
    warehouse = project.open_warehouse()
    warehouse.write("verdict_history", f"{shard}.0123456789ab", {"verdict_history": frame("verdict_history", [])})
    warehouse.write("function_costs", shard, {"function_costs": frame("function_costs", [])})
    for step in SHARD_STEPS:
        used = step.uses(project, shard)
        upstream = inputs_of(step, shard, project, warehouse).upstream()
        signed = fingerprint(step, shard, used, upstream)
        tables = {table: frame(table, []) for table in step.writes}
        manifest = warehouse.write(step.asset, shard, tables, fingerprint=signed, upstream=upstream)
        for rule in rules_of(project.sql_folder, step):
            finding = Finding(
                rule.key, manifest.commit, True, rule.blocking, rule.fingerprint(rule.uses(project, shard))
            )
            warehouse.standing.record(step.asset, shard, finding)


def states(project: Project) -> dict[tuple[str, str], str]:  # noqa: F811
    """Return what the look says, and assert that it is what each question says."""
    found: dict[tuple[str, str], str] = {}
    warehouse = project.open_warehouse()
    overlook = Overlook(project, warehouse)
    for step in SHARD_STEPS:
        for shard, state in overlook.states(step):
            alone = standing_of(step, shard, project, warehouse).state
            assert state == alone or (state is None and alone in ("failed", "stale")), (step.asset, shard)
            found[step.asset, shard] = alone
    return found


def test_a_look_at_all_shards_says_what_each_question_says(project: Project) -> None:  # noqa: F811
    make_all(project, SHARD)
    before = states(project)
    assert {state for (_, shard), state in before.items() if shard == SHARD} == {"good"}
    assert {state for (_, shard), state in before.items() if shard == OTHER} == {"missing"}
    make_all(project, OTHER)
    assert set(states(project).values()) == {"good"}

    warehouse = Warehouse(project.warehouse)
    rows = {table: warehouse.read(table, SHARD) for table in STEPS["verdicts"].writes}
    waiting = warehouse.write("verdicts", SHARD, rows, awaits_checks=True, fingerprint="other")
    rule = rules_of(project.sql_folder, STEPS["io_pairs"])[0]
    pairs = warehouse.manifest("io_pairs", OTHER)
    assert pairs
    asked = rule.fingerprint(rule.uses(project, OTHER))
    warehouse.standing.record("io_pairs", OTHER, Finding(rule.key, pairs.commit, False, True, asked, "bad row"))
    now = states(project)
    assert waiting.fingerprint == "other"
    assert (now["verdicts", SHARD], now["io_pairs", OTHER]) == ("stale", "failed")

    text = (project.root / "sources.yaml").read_text()
    (project.root / "sources.yaml").write_text(text.replace("    path: code\n", "    path: code\n    license: mit\n"))
    now = states(Project.find())
    assert now["raw_code_files", SHARD] == now["raw_code_files", OTHER] == "stale"


@pytest.mark.parametrize("taken", ["file_0.py", "nothing.py"])
def test_a_shard_of_which_a_file_was_taken_down_is_a_case_of_its_own(
    project: Project,  # noqa: F811
    taken: str,
) -> None:
    from codeio_assets.sources.shards import Takedown

    for shard in (SHARD, OTHER):
        make_all(project, shard)
    project.shards.take_down(Takedown(taken, "asked to", "now"))
    now = states(project)
    assert now["raw_code_files", SHARD] == ("stale" if taken == "file_0.py" else "good")
    assert now["raw_code_files", OTHER] == "good"


def test_a_damaged_manifest_is_asked_about_alone(project: Project) -> None:  # noqa: F811
    make_all(project, SHARD)
    Path(project.warehouse, "manifests", "io_pairs", f"{SHARD}.json").write_text("{")
    overlook = Overlook(project, project.open_warehouse())
    assert dict(overlook.states(STEPS["io_pairs"]))[SHARD] is None
