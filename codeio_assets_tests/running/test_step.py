"""A step is given what it declares, is signed with what it was given, and nothing else decides its result."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml
from pydantic import BaseModel

from codeio_assets.checks.registry import rules, standing_of
from codeio_assets.core.errors import MaterialisationFailed, NotReadyError, UndeclaredReadError
from codeio_assets.core.settings.project import SettingsError, load_settings, load_sources
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import RAW_CODE_FILES, REPORTED, STEPS, TRAINING_SETS
from codeio_assets.operating.local import _check_again, bring_up_to_date, register_shards
from codeio_assets.operating.retiring import concerned, drop_shards, drop_source, take_down
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.running.inputs import inputs_of, refuse_missing, tables_in
from codeio_assets.store import CommitRefusedError, Finding, Warehouse
from codeio_assets_tests.reports import tiny
from codeio_assets_tests.running.given import given
from codeio_assets_tests.store.test_damage import flip_a_bit

SOURCES = "sources:\n  mine:\n    kind: directory\n    path: code\n    shard_size: 2\n    filters: {min_chars: 0}\n"
SHARD = "mine-0000"
ASKING = {"unified_functions", "predictions", "revised_predictions"}
TRACED = {"execution_traces", "cot_grounding"}
EXECUTING = {
    *TRACED,
    *("file_labels", "unified_functions", "io_pairs", "verdicts", "revised_predictions", "held_out_scores"),
    "published_data_audit",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of one's own with four files in two shards."""
    root, home = tmp_path / "project", tmp_path / "home"
    root.mkdir()
    for name in ("recipes", "sql"):
        shutil.copytree(INSTALLED_ROOT / name, root / name)
    shutil.copyfile(INSTALLED_ROOT / "dagster.yaml", root / "dagster.yaml")
    (root / "codeio.yaml").write_text("chat: {model: m}\n")
    (root / "sources.yaml").write_text(SOURCES)
    (root / "code").mkdir()
    for number in range(4):
        (root / "code" / f"file_{number}.py").write_text(f"def file_{number}(a):\n    return [a, a + {number}]\n")
    own = {"CODEIO_PROJECT": str(root), "CODEIO_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    register_shards(Project.find())
    return Project.find()


def execute(asset: str, partition: str | None = SHARD) -> dg.ExecuteInProcessResult:
    from codeio_assets.definitions import defs

    graph = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        return graph.execute_in_process(
            instance=instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset)],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.error)


# -- one declaration ---------------------------------------------------------------------------------------------------


def test_reads_are_what_the_sql_of_a_step_names() -> None:
    folder = INSTALLED_ROOT / "sql"
    named = {table for path in (folder / "reports").glob("*.sql") for table in tables_in(path.read_text("utf-8"))}
    assert named == set(REPORTED)
    macros = (folder / "transforms" / "_hashing.sql").read_text("utf-8")
    texts = [path.read_text("utf-8") for path in (folder / "transforms").glob("*.sql") if path.stem != "_hashing"]
    found = {table for text in texts for table in tables_in(text, macros)}
    assert found == set(TRAINING_SETS.reads)


def test_an_undeclared_read_is_an_error(tmp_path: Path) -> None:
    warehouse = tiny.write(Warehouse(tmp_path), tiny.tables())
    step = given(warehouse, "io_pairs")
    assert len(step.read("io_pairs"))
    with pytest.raises(UndeclaredReadError, match="a test reads verdicts, which it does not declare"):
        step.read("verdicts")
    with pytest.raises(UndeclaredReadError, match="verdicts"):
        step.sql("select count(*) from io_pairs join verdicts using (function_id)")
    assert step.sql("select count(*) as n from io_pairs").item() > 0


def test_a_shard_sees_itself_alone_and_a_recipe_the_registered_shards(tmp_path: Path, project: Project) -> None:
    warehouse = tiny.write(Warehouse(tmp_path / "w"), tiny.tables())
    own = inputs_of(STEPS["shard_reports"], "beta-0001", project, warehouse)
    assert {entry.partition.split(".")[0] for entry in own.snapshot.entries} == {"beta-0001"}
    everything = inputs_of(STEPS["quality_report"], "all", project, warehouse)
    assert not [entry for entry in everything.snapshot.entries if entry.asset == "io_pairs"], "no shard is registered"


# -- what decides is what is declared ----------------------------------------------------------------------------------

DECIDES: dict[str, set[str]] = {
    "chat.model": {"file_labels", *ASKING},
    "chat.models": ASKING,
    "chat.transform.": {"unified_functions"},
    "chat.transform_attempts": {"unified_functions"},
    "chat.predict.": {"predictions", "revised_predictions"},
    "chat.revision_turns": {"revised_predictions"},
    "chat.teacher": {"predictions", "revised_predictions"},
    "chat.samples_per_task": {"pass_rates"},
    "traces.": TRACED,
    "chat.prompts": {
        *TRACED,
        "file_labels",
        "unified_functions",
        "prediction_tasks",
        "revised_predictions",
        "training_sets",
    },
    "chat.prompt_version": {"prediction_tasks"},
    "sandbox.isolation": EXECUTING,
    "sandbox.cpu_s": EXECUTING,
    "sandbox.wall_s": EXECUTING,
    "sandbox.memory_mib": EXECUTING,
    "sandbox.packages": EXECUTING,
    "sandbox.python": {*EXECUTING, "eligible_code_files", "benchmark_scores"},
    "sampling.": {"io_pairs"},
    "judging.": {"verdicts", "revised_predictions", "held_out_scores"},
    "phrases.": {"training_sets"},
    "split.": {"training_sets", "instruction_data"},
    "quality.cot.": {"cot_flaws"},
    "quality.published": {"published_data_audit"},
    "sources.mine.pairs_per_function": {"io_pairs"},
    "sources.mine.filters": {"eligible_code_files", "file_labels"},
    "sources.mine.shard_size": set(),
    "sources.mine.max_lost_ratio": set(),
    "sources.mine.": {"raw_code_files"},
}
"""Setting, or the beginning of several, longest first -> the steps that it makes stale; all others make none stale."""
CHANGED: dict[str, Any] = {
    "isolation": "none", "kind": "jsonl", "rule": "paper", "language": "any", "published": "published.jsonl",
    "prompts": "prompts", "prompt_version": "code_first",
    "system_messages": "fold", "requests": "batches", "base_url": "http://127.0.0.1:1/v1", "recorded": "elsewhere",
    "path": "elsewhere", "glob": "*.py", "stop": ["x"], "tokenizer": "elsewhere",
    "licenses": {"allow": ["mit"]}, "categories": {}, "difficulty": {},
    "teacher": "trace", "sources.mine.kind": "jsonl",
    "repository": "a/b", "license": "mit", "devices": "0", "trackers": ["wandb"], "launch_options": ["--x"],
    "currency": "EUR", "python": "/p", "model_path": "/m", "arguments": ["--x"], "window": "1h", "packages": ["yaml"],
    "sandbox.python": str(Path(__file__).with_name("python3.99")),
    "quality.models": {"m": {}}, "chat.models": {"m": {"system_role": "fold"}},
}  # fmt: skip
"""A setting's name, or its last part -> another value than its default, where the type alone does not give one."""


BASE: dict[str, Any] = {"chat": {"model": "m"}, "traces": {"enabled": True}}
NOT_ALONE = {"chat.endpoints", "sources.mine.kind", "sources.mine.url", "sources.mine.dataset"}
"""Settings that another one must go along with."""


def leaves(model: BaseModel, at: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def another(name: str, value: Any) -> Any:
    last = name.rpartition(".")[2]
    if name in CHANGED or last in CHANGED:
        return CHANGED.get(name, CHANGED.get(last))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.25
    return f"{value}x" if isinstance(value, str) else None


def put(tree: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    *path, last = name.split(".")
    at = tree
    for part in path:
        at = at.setdefault(part, {})
    at[last] = value
    return tree


def signatures(project: Project) -> dict[str, Any]:
    partition = {"shard": SHARD, "recipe": "without_query", "project": "all", "benchmark": "gsm8k"}
    return {name: as_json(step.uses(project, partition[step.per])) for name, step in STEPS.items()}


def expected(name: str) -> set[str]:
    found = [steps for beginning, steps in DECIDES.items() if name == beginning or name.startswith(beginning)]
    exact = [DECIDES[name]] if name in DECIDES else found
    return exact[0] if exact else set()


def test_each_setting_makes_exactly_the_steps_stale_that_use_it(project: Project) -> None:
    (project.root / "published.jsonl").write_text("{}\n")
    (project.root / "recipes" / "without_query.yaml").write_text("extends: demo\nformat: code_to_cot\n")
    (project.root / "codeio.yaml").write_text(yaml.safe_dump(BASE))
    labelled = SOURCES.replace("{min_chars: 0}", "{min_chars: 0, difficulty: {}}")
    (project.root / "sources.yaml").write_text(labelled)
    (project.root / "prompts").mkdir()
    for path in (INSTALLED_ROOT / "codeio_assets" / "core" / "prompts").glob("*.md"):
        (project.root / "prompts" / path.name).write_text(path.read_text("utf-8") + "\nMore.\n")
    before = signatures(Project(project.root, project.home))
    wrong: dict[str, tuple[set[str], set[str]]] = {}
    seen = 0
    for file, base, loaded in (
        ("codeio.yaml", BASE, load_settings(project.root / "codeio.yaml")),
        ("sources.yaml", yaml.safe_load(labelled), None),
    ):
        sources = load_sources(project.root / "sources.yaml")
        found = leaves(loaded) if loaded else leaves(sources.sources["mine"], "sources.mine.")
        for name, value in found:
            new = another(name, value)
            if new is None:
                continue
            seen += 1
            path = project.root / file
            kept = path.read_text("utf-8")
            path.write_text(yaml.safe_dump(put(yaml.safe_load(yaml.safe_dump(base)), name, new)))
            try:
                now = signatures(Project(project.root, project.home))
            except SettingsError as error:
                if name not in NOT_ALONE:
                    raise AssertionError(f"{name} = {new!r}: {error}") from error
                continue
            finally:
                path.write_text(kept)
            stale = {step for step in now if now[step] != before[step]}
            if stale != expected(name):
                wrong[name] = (stale, expected(name))
    assert wrong == {}, "\n".join(f"{name}: {now} and not {should}" for name, (now, should) in wrong.items())
    assert seen > 60


def test_settings_that_are_edited_during_a_step_leave_it_out_of_date(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codeio_assets.defs.s1_raw_code import assets

    def ingest_slowly(*arguments: Any) -> Any:
        (project.root / "sources.yaml").write_text(
            SOURCES.replace("    path: code\n", "    path: code\n    license: mit\n")
        )
        return ingest(*arguments)

    ingest = assets.ingest_shard
    monkeypatch.setattr(assets, "ingest_shard", ingest_slowly)
    assert execute("raw_code_files").success
    now = Project.find()
    rows = Warehouse(now.warehouse).read("raw_code_files", SHARD)
    assert rows["license"].to_list() == [None, None], "made by the rule that stood when the step began"
    standing = standing_of(RAW_CODE_FILES, SHARD, now, Warehouse(now.warehouse))
    assert (standing.state, standing.why) == ("stale", "changed: reading.license nothing -> mit")


# -- committed is not good ---------------------------------------------------------------------------------------------


def test_checks_that_did_not_run_to_their_end_leave_a_commit_waiting(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("codeio_assets.checks.rules._conclude", _interrupted)
        assert not execute("raw_code_files").success
    warehouse = Warehouse(project.warehouse)
    assert warehouse.manifest("raw_code_files", SHARD) is None
    standing = standing_of(RAW_CODE_FILES, SHARD, project, warehouse)
    assert (standing.state, standing.why) == ("unchecked", "not checked yet: schema_matches")
    with pytest.raises(NotReadyError, match=r"raw_code_files\[mine-0000\] is not good, its checks did not run"):
        refuse_missing(STEPS["file_labels"], SHARD, project, warehouse)


def test_an_interrupted_run_ends_as_canceled(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeio_assets.defs.s1_raw_code.assets.ingest_shard", _interrupted)
    result = execute("raw_code_files")
    with dg.DagsterInstance.get() as instance:
        assert [run.status.value for run in instance.get_runs()] == ["CANCELED"]
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_flipped_bit_is_seen_by_the_check_and_made_anew(project: Project) -> None:
    assert execute("raw_code_files").success
    warehouse = Warehouse(project.warehouse)
    made = warehouse.manifest("raw_code_files", SHARD)
    assert made is not None
    file = warehouse.root / made.tables["raw_code_files"].file
    flip_a_bit(file, random.Random(0))
    said: list[str] = []
    with pytest.raises(MaterialisationFailed, match="schema_matches"):
        _check_again(RAW_CODE_FILES, SHARD, project, said.append)
    finding = warehouse.standing.findings(made)["schema_matches"]
    assert (finding.passed, finding.told.startswith(f"The file {file} is damaged")) == (False, True)
    standing = standing_of(RAW_CODE_FILES, SHARD, project, Warehouse(project.warehouse))
    assert (standing.state, standing.why) == ("stale", finding.told)
    assert bring_up_to_date(project, "shard", SHARD, said.append, only=("raw_code_files",)) == 1
    assert Warehouse(project.warehouse).verify().problems == ()
    assert standing_of(RAW_CODE_FILES, SHARD, project, Warehouse(project.warehouse)).state == "good"


def test_no_training_set_is_made_of_a_damaged_file(project: Project) -> None:
    assert execute("instruction_data", None).success
    warehouse = Warehouse(project.warehouse)
    made = warehouse.manifest("instruction_data", "all")
    assert made is not None
    file = warehouse.root / made.tables["instruction_data"].file
    flip_a_bit(file, random.Random(0))
    result = execute("training_sets", "demo")
    assert f"The file {file} is damaged" in failure_of(result)
    assert warehouse.standing.latest("training_sets", "demo") is None
    assert warehouse.pins() == {}


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_another_threshold_asks_the_checks_again_and_not_the_step(project: Project) -> None:
    assert execute("raw_code_files").success
    warehouse = Warehouse(project.warehouse)
    assert standing_of(RAW_CODE_FILES, SHARD, project, warehouse).state == "good"
    live = warehouse.manifest("raw_code_files", SHARD)
    assert live is not None
    finding = Finding("schema_matches", live.commit, True, True, "another rule")
    warehouse.standing.record("raw_code_files", SHARD, finding)
    assert standing_of(RAW_CODE_FILES, SHARD, project, warehouse).state == "unchecked"
    rule = next(rule for rule in rules(project.root) if rule.asset == "raw_code_files")
    failed = Finding("schema_matches", live.commit, False, True, rule.fingerprint(rule.uses(project, SHARD)), "bad row")
    warehouse.standing.record("raw_code_files", SHARD, failed)
    standing = standing_of(RAW_CODE_FILES, SHARD, project, warehouse)
    assert (standing.state, standing.why) == ("failed", "the check(s) schema_matches failed: bad row")
    with pytest.raises(NotReadyError, match="bad row"):
        refuse_missing(STEPS["file_labels"], SHARD, project, warehouse)


def test_of_two_runs_of_one_partition_the_later_commit_is_refused(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    rows = {"raw_code_files": frame("raw_code_files", [])}
    began_with = warehouse.standing.latest("raw_code_files", SHARD)
    warehouse.write("raw_code_files", SHARD, rows, run_id="first", awaits_checks=True, replaces=began_with)
    with pytest.raises(CommitRefusedError, match=r"raw_code_files\[mine-0000\] was changed by another .* \(run first"):
        warehouse.write("raw_code_files", SHARD, rows, run_id="second", awaits_checks=True, replaces=began_with)


def test_a_step_whose_input_was_made_anew_meanwhile_begins_again_with_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codeio_assets.defs.s1_raw_code import assets

    for step in ("raw_code_files", "file_labels"):
        assert execute(step).success
    warehouse = project.open_warehouse()
    looked: list[str] = []

    def select_slowly(files: pl.DataFrame, *others: Any) -> Any:
        live = warehouse.manifest("raw_code_files", SHARD)
        assert live
        looked.append(live.version)
        if len(looked) == 1:
            warehouse.write(
                "raw_code_files", SHARD, {t: warehouse.read(t, SHARD).head(1) for t in live.tables}, run_id="b"
            )
        return select(files, *others)

    select = assets.select_eligible
    monkeypatch.setattr(assets, "select_eligible", select_slowly)
    result = execute("eligible_code_files")
    assert result.success
    assert [event.node_name for event in result.all_events if event.is_step_up_for_retry] == ["eligible_code_files"]
    made = warehouse.manifest("eligible_code_files", SHARD)
    assert made
    assert made.upstream[f"raw_code_files/{SHARD}"] == looked[1] != looked[0]
    assert warehouse.read("eligible_code_files", SHARD).height == 1


def test_a_run_that_was_late_ends_when_the_other_has_made_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine of a run is taken for dead, its retry makes the shard, and then it goes on."""
    from codeio_assets.defs.s1_raw_code import assets

    ingest, inner = assets.ingest_shard, list[bool]()

    def ingest_beside_a_retry(*arguments: Any) -> Any:
        if not inner:
            inner.append(True)
            assert execute("raw_code_files").success
        return ingest(*arguments)

    monkeypatch.setattr(assets, "ingest_shard", ingest_beside_a_retry)
    result = execute("raw_code_files")
    assert not result.success
    assert "was made of the same by run" in failure_of(result)
    standing = standing_of(RAW_CODE_FILES, SHARD, project, project.open_warehouse())
    assert standing.state == "good"


def test_a_column_that_may_be_null_and_is_new_is_read_as_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(tmp_path)
    rows = frame("file_labels", [])
    with monkeypatch.context() as older:
        older.setattr("codeio_assets.store.parquet.arrow_schema", lambda _: rows.drop("detail").to_arrow().schema)
        manifest = warehouse.write("file_labels", SHARD, {"file_labels": rows.drop("detail")})
    assert "detail" not in manifest.tables["file_labels"].columns
    assert warehouse.read("file_labels", SHARD).schema["detail"] == pl.String
    assert warehouse.sql("select detail from file_labels").columns == ["detail"]
    assert TABLES["file_labels"].to_schema().columns["detail"].nullable


# -- a bad file fails alone --------------------------------------------------------------------------------------------


def test_a_bad_recipe_fails_only_its_own_partition(project: Project) -> None:
    (project.root / "recipes" / "bad.yaml").write_text("base_model: [\n")
    here = Project.find()
    assert "bad" in here.recipe_names()
    assert here.recipe("demo").name == "demo"
    with pytest.raises(RecipeError, match=r"bad\.yaml"):
        here.recipe("bad")
    assert execute("raw_code_files").success


def test_a_bad_source_fails_only_its_own_shards(project: Project) -> None:
    bad = "  bad:\n    kind: directory\n    path: code\n    pears_per_function: 3\n"
    (project.root / "sources.yaml").write_text(SOURCES + bad)
    here = Project.find()
    assert here.source("mine").path == Path("code")
    with pytest.raises(SettingsError, match=r"sources.yaml:\d+: `sources.bad.pears_per_function`"):
        here.source("bad")
    assert execute("raw_code_files").success


# -- taken out ---------------------------------------------------------------------------------------------------------


def made(project: Project, *shards: str) -> Warehouse:
    for shard in shards:
        assert execute("raw_code_files", shard).success
    return Warehouse(project.warehouse)


def test_a_dropped_shard_is_gone_from_tables_and_stays_so(project: Project) -> None:
    warehouse = made(project, SHARD, "mine-0001")
    assert concerned(project, [SHARD]).files == 2
    drop_shards(project, [SHARD])
    assert project.shards.keys() == ["mine-0001"]
    assert sorted(warehouse.read("raw_code_files")["path"]) == ["file_2.py", "file_3.py"]
    assert register_shards(project) == [], "its files form no new shard"
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("code_shards") == ["mine-0001"]
    with pytest.raises(KeyError, match="there is no shard 'mine-0000'"):
        drop_shards(project, [SHARD])


def test_a_dropped_source_registers_nothing_any_more(project: Project) -> None:
    made(project, SHARD)
    assert drop_source(project, "mine") == [SHARD, "mine-0001"]
    (project.root / "code" / "new.py").write_text("def new(a):\n    return a\n")
    assert register_shards(project) == []
    assert Warehouse(project.warehouse).read("raw_code_files").is_empty()


def test_a_file_that_is_taken_down_is_a_rejection_from_then_on(project: Project) -> None:
    warehouse = made(project, SHARD)
    hits, recipes = take_down(project, "file_1.py", "asked by its author")
    assert [(hit.shard, hit.path) for hit in hits] == [(SHARD, "file_1.py")]
    assert recipes == ()
    standing = standing_of(RAW_CODE_FILES, SHARD, project, warehouse)
    assert standing.state == "stale"
    assert "taken_down" in standing.why
    made(project, SHARD)
    assert warehouse.read("raw_code_files", SHARD)["path"].to_list() == ["file_0.py"]
    (rejected,) = warehouse.read("raw_code_files_rejections", SHARD).to_dicts()
    assert rejected["reason"] == "taken_down"
    assert [each.why for each in project.shards.takedowns()] == ["asked by its author"]


@dataclass(frozen=True)
class Odd:
    value: object


def test_what_has_no_one_form_is_no_part_of_a_signature() -> None:
    assert as_json(Odd((1, "a", None))) == {"value": [1, "a", None]}
    with pytest.raises(TypeError, match="set has no form"):
        as_json(Odd({1, 2}))
