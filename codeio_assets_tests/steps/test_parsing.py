from codeio_assets.core.tables.data import TABLES
from codeio_assets.steps.parsing import parse_responses
from codeio_assets_tests.steps.scripted import transform_response

GOOD = transform_response("def main_solution(a):\n    return a", "def input_generator():\n    return {'a': 1}")


def test_each_response_ends_as_a_function_or_a_rejection() -> None:
    responses = [("one", GOOD), ("two", "Sorry."), ("three", GOOD), ("four", "")]
    result = parse_responses(iter(responses), "trial", "some-model")
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    assert (result.items_in, result.items_out) == (4, 2)
    assert result.dropped_by_reason == {"empty_response": 1, "missing_main_function": 1}
    found = result.tables["unified_functions"]
    assert sorted(found["path"].to_list()) == ["one", "three"]
    assert set(found["model_id"]) == {"some-model"}
    assert found["function_id"].n_unique() == 2


def test_ids_come_from_content() -> None:
    one, other = (parse_responses([("a", GOOD)], source, "m").tables["unified_functions"] for source in ("s", "t"))
    again = parse_responses([("a", GOOD)], "s", "m").tables["unified_functions"]
    assert one.equals(again)
    assert one["function_id"][0] != other["function_id"][0]
