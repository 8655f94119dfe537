"""Committing and reading: versions, schemas, keys, queries, and bad input."""

import json
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.core.tables.data import TABLES, polars_schema
from codeio_assets.store import Manifest, StoreError, Warehouse, layout
from codeio_assets.store.parquet import ROWS_PER_GROUP
from codeio_assets_tests.store.rows import ASSET, SIDE_TABLE, commit, pairs, rejections

KEY = "made-0001"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse", threads=1)


# -- versions ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(warehouse: Warehouse):
    manifest = warehouse.write(ASSET, KEY, commit(5), run_id="run", upstream={"a/b": "v"}, info={"n": [1, None]})
    assert warehouse.manifest(ASSET, KEY) == manifest
    assert (manifest.run_id, manifest.upstream, manifest.info) == ("run", {"a/b": "v"}, {"n": [1, None]})
    assert {name: table.rows for name, table in manifest.tables.items()} == {ASSET: 5, SIDE_TABLE: 10}
    assert warehouse.read(ASSET, KEY).equals(pairs(5))
    assert warehouse.read(SIDE_TABLE).equals(rejections(10))
    assert warehouse.read(ASSET, columns=["source", "pair_id"]).columns == ["source", "pair_id"]
    assert (warehouse.assets(), warehouse.partitions(ASSET)) == ([ASSET], [KEY])
    assert (warehouse.writer_of(SIDE_TABLE), warehouse.writer_of("verdicts")) == (ASSET, None)


def test_replaced_twice_by_the_same_rows_the_data_version_is_the_same(warehouse: Warehouse):
    first = warehouse.write(ASSET, KEY, commit(5), run_id="one")
    other = warehouse.write(ASSET, KEY, commit(6), run_id="two")
    again = warehouse.write(ASSET, KEY, commit(5), run_id="three")
    assert first.version == again.version != other.version
    assert first.tables == again.tables
    assert warehouse.read(ASSET).equals(pairs(5))


def test_the_data_version_does_not_depend_on_batches_or_containers(warehouse: Warehouse):
    rows = pairs(ROWS_PER_GROUP + 100)
    whole = warehouse.write(ASSET, "whole", {ASSET: rows})
    chunked = warehouse.write(
        ASSET, "chunked", {ASSET: pl.concat([rows[:7], rows[7:20000], rows[20000:]], rechunk=False)}
    )
    as_arrow = warehouse.write(ASSET, "arrow", {ASSET: rows.to_arrow()})
    with warehouse.connect() as connection:
        stream = connection.sql("select * exclude (part) from io_pairs where part = 'whole'").to_arrow_reader(999)
        streamed = warehouse.write(ASSET, "streamed", {ASSET: stream})
    assert {whole.version} == {chunked.version, as_arrow.version, streamed.version}
    assert warehouse.read(ASSET, "streamed").equals(rows)


def test_a_commit_without_a_side_table_drops_it(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(5))
    warehouse.write(ASSET, KEY, {ASSET: pairs(2)})
    assert warehouse.read(SIDE_TABLE).is_empty()
    assert len(warehouse.read(ASSET)) == 2


def test_partitions_are_read_in_the_order_of_their_keys(warehouse: Warehouse):
    for key, size in (("b-0002", 2), ("a-0001", 1), ("b-0001", 3)):
        warehouse.write(ASSET, key, {ASSET: pairs(size, salt=key)})
    expected = pl.concat([pairs(1, "a-0001"), pairs(3, "b-0001"), pairs(2, "b-0002")])
    assert warehouse.read(ASSET).equals(expected)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_empty_and_typed_before_it_is_written(warehouse: Warehouse, table: str):
    assert warehouse.read(table).schema == pl.Schema(polars_schema(table))


def test_every_view_has_the_columns_and_types_of_its_table(warehouse: Warehouse):
    empty = {table: pl.DataFrame(schema=polars_schema(table)) for table in TABLES}
    with warehouse.connect() as connection:
        before = {table: connection.table(table).types for table in TABLES}
    for table, rows in empty.items():
        warehouse.write(table, "all", {table: rows})
    with warehouse.connect() as connection:
        assert {table: connection.table(table).types for table in TABLES} == before
        assert connection.table(ASSET).columns == [*polars_schema(ASSET), "part"]


# -- SQL --------------------------------------------------------------------------------------------------------


def test_queries_see_partitions_and_take_parameters(warehouse: Warehouse):
    warehouse.write(ASSET, "a-0001", {ASSET: pairs(2)})
    warehouse.write(ASSET, "NULL", {ASSET: pairs(3)})
    found = warehouse.sql(
        "select part, count(*) as n from io_pairs where pair_index >= $low group by part order by n", low=1
    )
    assert found.rows() == [("a-0001", 1), ("NULL", 2)]


def test_a_filter_on_the_partition_opens_only_its_file(warehouse: Warehouse):
    for number in range(5):
        warehouse.write(ASSET, f"made-{number:04}", {ASSET: pairs(2)})
    with warehouse.connect() as connection:
        plan = connection.execute("explain analyze from io_pairs where part = 'made-0003'").fetchall()
    assert "Scanning Files: 1/5" in str(plan)


@pytest.mark.parametrize("folder", ["it's [a-z]*", "env=prod/source=other", "ünï cödé"])
def test_any_folder_can_hold_the_warehouse(tmp_path: Path, folder: str):
    warehouse = Warehouse(tmp_path / folder)
    warehouse.write(ASSET, KEY, commit(3))
    assert warehouse.read(ASSET).equals(pairs(3))
    assert warehouse.sql("select distinct part, source from io_pairs").rows() == [(KEY, "made")]
    with duckdb.connect(str(warehouse.refresh_views()), read_only=True) as connection:
        assert connection.sql("select count(*) from io_pairs").fetchall() == [(3,)]


def test_the_views_file_is_described_and_disposable(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(3))
    warehouse.refresh_views().unlink()
    with duckdb.connect(str(warehouse.refresh_views()), read_only=True) as connection:
        comments = dict(
            connection.sql("select column_name, comment from duckdb_columns() where table_name = 'io_pairs'").fetchall()
        )
        assert comments["input_json"] == "keyword arguments as JSON, in the order written"
        assert connection.sql("select count(*) from io_pairs_rejections").fetchall() == [(6,)]
        tables = connection.sql("select count(*) from duckdb_tables()").fetchall()
    assert tables == [(0,)], "it holds views only"


# -- bad input --------------------------------------------------------------------------------------------------

BAD_FRAMES = {
    "lacks column 'source'": pairs(2).drop("source"),
    "unexpected column 'extra'": pairs(2).with_columns(extra=pl.lit(1)),
    "column 'pair_index' of type int32 where int64": pairs(2).with_columns(pl.col("pair_index").cast(pl.Int32)),
    "column 'output_json' of type null where string": pairs(2).with_columns(output_json=None),
    "has column 'source' where 'pair_id' belongs": pairs(2).select("source", pl.all().exclude("source")),
}


@pytest.mark.parametrize("message", BAD_FRAMES)
def test_a_wrong_schema_is_refused_and_names_the_column(warehouse: Warehouse, message: str):
    warehouse.write(ASSET, KEY, commit(1))
    with pytest.raises(StoreError, match=re.escape(message)):
        warehouse.write(ASSET, KEY, {ASSET: BAD_FRAMES[message]})
    assert warehouse.read(ASSET).equals(pairs(1))
    assert no_leftovers(warehouse.root)


def test_unknown_tables_and_columns_are_refused(warehouse: Warehouse):
    with pytest.raises(StoreError, match="no table 'surprise'"):
        warehouse.write(ASSET, KEY, {"surprise": pairs(1)})
    with pytest.raises(StoreError, match="no table 'surprise'"):
        warehouse.read("surprise")
    with pytest.raises(StoreError, match="no column 'surprise'"):
        warehouse.read(ASSET, columns=["surprise"])


def test_a_table_has_one_writer(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(1))
    with pytest.raises(StoreError, match="written by the asset 'io_pairs'"):
        warehouse.write("verdicts", KEY, {SIDE_TABLE: rejections(1)})


def test_info_that_is_not_json_is_refused_before_anything_is_written(warehouse: Warehouse):
    with pytest.raises(StoreError, match="must be JSON"):
        warehouse.write(ASSET, KEY, commit(1), info={"frame": pairs(1)})
    assert not warehouse.root.exists()


@pytest.mark.parametrize("key", ["", ".", "..", "../up", "a/b", "a b", "-a", ".tmp-x", "a\n", "ü", "x" * 201, "a%2Fb"])
def test_keys_that_cannot_name_a_file_are_refused(warehouse: Warehouse, key: str):
    with pytest.raises(StoreError, match="cannot name a file: use up to 200 letters"):
        warehouse.write(ASSET, key, commit(1))
    with pytest.raises(StoreError, match="cannot name a file"):
        warehouse.read(ASSET, key)
    assert not warehouse.root.exists()


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", fullmatch=True),
    st.sampled_from(sorted(TABLES)),
    st.from_regex(r"[0-9a-f]{20}", fullmatch=True),
)
def test_partition_keys_become_paths_and_come_back(key: str, table: str, version: str):
    path = layout.table_file(table, key, version)
    assert layout.parse_table_file(path) == (table, key, version)
    assert Path(path).parts[:3] == ("tables", table, f"part={key}")
    assert len(Path(path).parts) == 4
    manifest = Path(layout.manifest_file(table, key))
    assert manifest.name.removesuffix(".json") == key
    assert len(manifest.parts) == 3


@given(st.text(max_size=30))
def test_any_other_text_is_refused_or_comes_back(key: str):
    try:
        path = layout.table_file(ASSET, key, "0" * 20)
    except StoreError:
        return
    assert layout.parse_table_file(path) == (ASSET, key, "0" * 20)


# -- damage -----------------------------------------------------------------------------------------------------


def break_off(text: str) -> str:
    return text[: len(text) // 2]


def claim_other_rows(text: str) -> str:
    return text.replace('"sha256": "', '"sha256": "0')


def point_elsewhere(text: str) -> str:
    manifest = json.loads(text)
    manifest["tables"][ASSET]["file"] = "../../etc/passwd"
    return json.dumps(manifest)


def drop_a_field(text: str) -> str:
    manifest = json.loads(text)
    del manifest["version"]
    return json.dumps(manifest)


@pytest.mark.parametrize(
    "damage", [break_off, claim_other_rows, point_elsewhere, drop_a_field, lambda _: "", lambda _: "[]"]
)
def test_a_damaged_manifest_is_named_and_mended_by_writing_again(warehouse: Warehouse, damage):
    warehouse.write(ASSET, KEY, commit(2))
    path = warehouse.root / layout.manifest_file(ASSET, KEY)
    path.write_text(damage(path.read_text()))
    for use in (
        lambda: warehouse.manifest(ASSET, KEY),
        lambda: warehouse.read(ASSET),
        lambda: warehouse.sql("from io_pairs"),
    ):
        with pytest.raises(StoreError, match=re.escape(str(path))):
            use()
    assert not warehouse.collect_garbage(grace_s=0).removed, "what it named is not known"
    warehouse.write(ASSET, KEY, commit(2))
    assert warehouse.read(ASSET).equals(pairs(2))


def test_a_manifest_under_another_name_is_refused(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2))
    path = warehouse.root / layout.manifest_file(ASSET, KEY)
    path.rename(path.with_name("made-0002.json"))
    with pytest.raises(StoreError, match="about io_pairs/made-0001"):
        warehouse.read(ASSET)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_lost_or_torn_file_is_named_and_made_anew_by_writing_again(warehouse: Warehouse, damage):
    manifest = warehouse.write(ASSET, KEY, commit(2))
    path = warehouse.root / manifest.tables[ASSET].file
    damage(path)
    for use in (lambda: warehouse.read(ASSET), lambda: warehouse.sql("from io_pairs"), warehouse.refresh_views):
        with pytest.raises(StoreError, match=rf"{re.escape(str(path))} is .* Materialise partition 'made-0001'"):
            use()
    assert warehouse.write(ASSET, KEY, commit(2)).version == manifest.version
    assert warehouse.read(ASSET).equals(pairs(2))


def test_a_file_of_an_older_schema_is_named_on_read_and_seen_as_it_is_in_sql(warehouse: Warehouse, monkeypatch):
    warehouse.write(ASSET, "made-0001", {ASSET: pairs(2)})
    with monkeypatch.context() as older:
        older.setattr(
            "codeio_assets.store.parquet.arrow_schema", lambda table: pairs(1).drop("source").to_arrow().schema
        )
        stale = warehouse.write(ASSET, "made-0002", {ASSET: pairs(1).drop("source")})
    words = rf"{stale.tables[ASSET].file} was written with other columns .*\(source is new\)"
    with pytest.raises(StoreError, match=words):
        warehouse.read(ASSET)
    assert warehouse.sql("select count(*), count(source) from io_pairs").rows() == [(3, 2)]
    assert warehouse.refresh_views().exists()


def test_manifests_hold_what_the_design_promises(warehouse: Warehouse):
    warehouse.write(ASSET, KEY, commit(2), run_id="r", fingerprint="f", upstream={"a/b": "v"})
    stored = json.loads((warehouse.root / "manifests" / ASSET / f"{KEY}.json").read_text())
    table = stored["tables"][ASSET]
    assert set(stored) == set(Manifest.model_fields)
    assert table["file"] == f"tables/{ASSET}/part={KEY}/{table['sha256'][:20]}.parquet"
    assert table["bytes"] == (warehouse.root / table["file"]).stat().st_size
    assert list(table["columns"]) == list(polars_schema(ASSET))
    assert stored["written_at"].endswith("+00:00")


def no_leftovers(root: Path) -> bool:
    return not list(root.rglob(".tmp-*"))
