"""YAML files cannot fill memory or end in another error than their own."""

from pathlib import Path

import pytest

from codeio_assets.core.settings.strict_yaml import StrictYamlError, read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a [*a]",
        "a: " + "[" * 5_000 + "]" * 5_000,
        "a: " + "9" * 6_000,
        "a: 2024-13-45",
        "a: 2024-01-01 99:99:99",
        "a: !!python/object:os.system x",
        "? [a]\n: b",
        "? {a: b}\n: c",
        "\0",
        "a: \ud83d",
        "# " + "x" * 1_000_001,
        "a: b: c",
    ],
)
def test_a_hostile_file_is_one_short_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StrictYamlError, match=r"recipe\.yaml") as caught:
        read_yaml(path)
    assert len(str(caught.value)) < 600
