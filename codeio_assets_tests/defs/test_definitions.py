"""The graph as a whole: it loads, keeps its conventions, and every change of it shows in review."""

import dagster as dg
import pytest

from codeio_assets.core.tables.data import PEOPLE_TABLES, RUN_TABLES, TABLES
from codeio_assets.graph.steps import MAKERS, STEPS, WRITERS
from codeio_assets.project import INSTALLED_ROOT


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from codeio_assets.definitions import defs

    return defs()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_definitions_load_as_a_whole(definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_graph_matches_the_snapshot(specs, snapshot) -> None:
    graph = {
        name: {
            "group": spec.group_name,
            "upstream": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "kinds": sorted(spec.kinds),
            "partitions": type(spec.partitions_def).__name__ if spec.partitions_def else None,
        }
        for name, spec in sorted(specs.items())
    }
    assert graph == snapshot


def test_checks_match_the_snapshot(definitions, snapshot) -> None:
    graph = definitions.get_repository_def().asset_graph
    keys = graph.asset_check_keys
    assert sorted(f"{key.asset_key.to_user_string()}:{key.name}" for key in keys) == snapshot


def test_every_stage_is_an_asset_and_the_other_way_round(specs) -> None:
    assert set(specs) == set(MAKERS)


def test_every_asset_has_owner_kind_group_and_a_description_that_starts_with_its_grain(specs) -> None:
    for name, spec in specs.items():
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name.startswith("s"), name
        assert (spec.description or "").startswith("One "), name
        assert "codeio/paper_section" in spec.tags, name


def test_every_asset_with_a_table_has_blocking_partitioned_checks(definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    folder = INSTALLED_ROOT / "sql" / "warnings"
    warnings = {"cot_flaws_are_few", *(path.stem.split("__")[1] for path in folder.glob("*.sql"))}
    for asset, stage in STEPS.items():
        keys = [key for key in graph.asset_check_keys if key.asset_key.to_user_string() == asset]
        assert "schema_matches" in {key.name for key in keys}, asset
        for key in keys:
            check = graph.get(key)
            assert check.blocking == (key.name not in warnings), key
            assert check.partitions_def == stage.partitions_def, key


def test_every_table_has_one_step_that_commits_it() -> None:
    written = [table for step in STEPS.values() for table in step.writes]
    assert sorted([*written, *RUN_TABLES, *PEOPLE_TABLES]) == sorted(TABLES)
    assert set(written) == set(WRITERS)


def test_stages_are_in_flow_order() -> None:
    seen: set[str] = set()
    groups: list[str] = []
    for stage in STEPS.values():
        assert set(stage.upstream) <= seen, stage.asset
        seen |= set(stage.makes)
        groups.append(stage.group)
    assert groups == sorted(groups)


def test_scarce_things_have_pools() -> None:
    pools = {stage.asset: stage.pool for stage in STEPS.values() if stage.pool}
    assert pools == {
        "file_labels": "chat_server",
        "unified_functions": "chat_server",
        "io_pairs": "sandbox",
        "execution_traces": "sandbox",
        "pass_rates": "chat_server",
        "tokenised_sets": "tokenise",
        "cot_grounding": "sandbox",
        "predictions": "chat_server",
        "verdicts": "sandbox",
        "revised_predictions": "chat_server",
        "published_data_audit": "sandbox",
        "sft_stage1_checkpoint": "gpu",
        "sft_stage2_checkpoint": "gpu",
        "held_out_scores": "gpu",
        "benchmark_answers": "gpu",
        "benchmark_scores": "sandbox",
    }


def test_loading_the_definitions_imports_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from codeio_assets.definitions import defs; defs();"
        "print([name for name in ('torch', 'transformers', 'trl', 'vllm') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_everything_the_launchpad_offers_is_explained_and_has_a_default(definitions) -> None:
    configured = 0
    for asset in definitions.get_repository_def().assets_defs_by_key.values():
        fields = getattr(asset.node_def.config_schema.config_type, "fields", None) or {}
        configured += bool(fields)
        for name, field in fields.items():
            assert field.description, (asset.key, name)
            assert not field.is_required, (asset.key, name)
    assert configured >= 4
