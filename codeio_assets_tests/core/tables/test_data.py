import pandera.errors
import polars as pl
import pytest

from codeio_assets.core.tables.data import DIRECTIONS, TABLES, frame, polars_schema
from codeio_assets.core.tables.schema import COLUMNS, column_description

ID = "a" * 64
REJECTION = {"id": ID, "source": "s", "reason": "too_short", "detail": ""}
PAIR = {
    "pair_id": ID,
    "function_id": ID,
    "source": "s",
    "pair_index": 0,
    "input_json": '{"a":1}',
    "output_json": "1",
    "is_degenerate": False,
}


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_frame_has_every_column_and_passes(table: str) -> None:
    empty = frame(table, [])
    assert dict(empty.schema) == polars_schema(table)
    TABLES[table].validate(empty)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_of_a_plain_type(table: str) -> None:
    assert set(polars_schema(table).values()) <= {pl.String, pl.Int64, pl.Float64, pl.Boolean}


def test_every_rejections_table_stands_beside_its_table() -> None:
    for table in TABLES:
        if table.endswith("_rejections"):
            assert table.removesuffix("_rejections") in TABLES
            assert polars_schema(table) == polars_schema("io_pairs_rejections")


def test_rows_are_sorted_by_their_key_and_ties_keep_their_order() -> None:
    rows = [{**REJECTION, "id": letter * 64, "detail": str(n)} for n, letter in enumerate("bab")]
    assert frame("io_pairs_rejections", rows)["detail"].to_list() == ["1", "0", "2"]


def test_the_order_of_a_rows_fields_does_not_matter() -> None:
    row = dict(reversed(REJECTION.items()))
    assert frame("io_pairs_rejections", [row]).equals(frame("io_pairs_rejections", [REJECTION]))


def test_an_unknown_table_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        frame("pairs", [])


@pytest.mark.parametrize(
    "change", [{"pair_index": "x"}, {"pair_index": 2**70}, {"is_degenerate": "x"}, {"input_json": [1]}]
)
def test_a_value_that_does_not_fit_its_column_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, pl.exceptions.PolarsError)):
        frame("io_pairs", [{**PAIR, **change}])


@pytest.mark.parametrize(
    "change",
    [
        {"pair_id": "A" * 64},
        {"pair_id": "a" * 63},
        {"function_id": ""},
        {"pair_index": -1},
        {"input_json": "[1]"},
        {"output_json": "null"},
        {"source": None},
    ],
)
def test_a_pair_that_breaks_a_rule_fails_validation(change: dict[str, object]) -> None:
    TABLES["io_pairs"].validate(frame("io_pairs", [PAIR]))
    with pytest.raises(pandera.errors.SchemaError):
        TABLES["io_pairs"].validate(frame("io_pairs", [{**PAIR, **change}]))


def test_ids_are_unique_and_columns_are_all_and_only_those_of_the_schema() -> None:
    model = TABLES["io_pairs"]
    with pytest.raises(pandera.errors.SchemaError):
        model.validate(frame("io_pairs", [PAIR, PAIR]))
    with pytest.raises(pandera.errors.SchemaError):
        model.validate(frame("io_pairs", [PAIR]).with_columns(extra=pl.lit(1)))
    with pytest.raises(pandera.errors.SchemaError):
        model.validate(frame("io_pairs", [PAIR]).drop("source"))


@pytest.mark.parametrize(
    ("reason", "valid"),
    [("too_few_pairs", True), ("too_short", False), ("Too short", False), ("", False), ("a b", False)],
)
def test_a_reason_is_a_code_that_can_be_counted(reason: str, valid: bool) -> None:
    table = frame("io_pairs_rejections", [{**REJECTION, "reason": reason}])
    if valid:
        TABLES["io_pairs_rejections"].validate(table)
    else:
        with pytest.raises(pandera.errors.SchemaError):
            TABLES["io_pairs_rejections"].validate(table)


def test_directions_are_those_of_the_answers() -> None:
    assert sorted(DIRECTIONS) == ["input", "output"]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_says_what_it_holds(table: str) -> None:
    for name, column in TABLES[table].to_schema().columns.items():
        assert column_description(name, column.description)


def test_descriptions_that_tables_share_are_used() -> None:
    columns = [column for table in TABLES.values() for column in table.to_schema().columns.items()]
    assert set(COLUMNS) == {name for name, column in columns if not column.description}
