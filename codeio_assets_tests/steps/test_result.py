import pytest

from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.steps.result import AccountingError, account, rejection

ID = sha256_hex("a")


def test_rows_and_rejections_become_tables() -> None:
    dropped = [rejection(ID, "s", "too_short", "x" * 3_000), rejection(ID, "s", "a_reason", "")]
    result = account("prediction_tasks", [], dropped, items_in=2, info={"n": 1})
    assert list(result.tables) == ["prediction_tasks", "prediction_tasks_rejections"]
    assert (result.items_in, result.items_out, result.info) == (2, 0, {"n": 1})
    assert list(result.dropped_by_reason.items()) == [("a_reason", 1), ("too_short", 1)]
    assert result.tables["prediction_tasks_rejections"]["detail"].str.len_chars().max() == 2_000


@pytest.mark.parametrize(("items_in", "items_out", "dropped"), [(1, None, 0), (0, None, 1), (3, 1, 1), (1, 1, 1)])
def test_an_account_that_does_not_hold_is_refused(items_in: int, items_out: int | None, dropped: int) -> None:
    rejections = [rejection(ID, "s", "r", "")] * dropped
    with pytest.raises(AccountingError, match=r"^io_pairs: \d items in, \d out, \d rejected$"):
        account("io_pairs", [], rejections, items_in=items_in, items_out=items_out)


def test_a_stage_that_drops_nothing_has_no_table_of_rejections() -> None:
    assert list(account("predictions", [], None, items_in=0).tables) == ["predictions"]
