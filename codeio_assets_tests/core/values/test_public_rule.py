import pytest

from codeio_assets.core.values.public_rule import equal_publicly, misjudges


@pytest.mark.parametrize(
    ("target", "predicted", "equal"),
    [
        (1, 1, True),
        (0.5, 0.5, False),
        (1, 1.0, False),
        ([1, {"a": "b"}], [1, {"a": "b"}], True),
        ([1, {"a": 0.5}], [1, {"a": 0.5}], False),
        (True, 1, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1], False),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_the_public_rule_as_it_behaves(target, predicted, equal: bool) -> None:
    assert equal_publicly(target, predicted) is equal


@pytest.mark.parametrize(
    ("output", "how"),
    [
        (3, None),
        ("text", None),
        ([1, 2, {"a": "b"}], None),
        (0.5, "right_called_wrong"),
        ({"mean": 1.5, "ok": True}, "right_called_wrong"),
        (False, "wrong_called_right"),
        ([1, {"ok": True}], "wrong_called_right"),
    ],
)
def test_what_the_public_rule_misjudges(output, how: str | None) -> None:
    assert misjudges(output) == how
