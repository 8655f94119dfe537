import pytest

from codeio_assets.core.settings.project import NearDuplicates
from codeio_assets.sources.kinship import Kin, Signature, find_kin, read_signatures, sign, signatures_file

SETTINGS = NearDuplicates.model_validate({})
NOTHING = Kin(None, None, None, ())


def program(name: str, changed: int = 0, lines: int = 40) -> str:
    """A program of its own, of which some lines are changed."""
    body = [f"    {name}_{n} = {name}({n}) + {n * 7} if n > {n} else {name}[{n}]" for n in range(lines)]
    body[:changed] = [f"    other_{n} = changed({n}) - {n}" for n in range(changed)]
    return f"def {name}(n):\n" + "\n".join(body) + "\n    return n\n"


def kin(*codes: str, known: int = 0, settings: NearDuplicates = SETTINGS) -> list[Kin]:
    signatures = [sign(code, settings) for code in codes]
    return find_kin(signatures[:known], signatures[known:], settings)


def test_strangers_are_no_kin() -> None:
    assert kin(program("a"), program("b"), program("c")) == [NOTHING] * 3


def test_layout_and_comments_make_no_other_file() -> None:
    other = "# a comment\n" + program("a").replace("    ", "  ").replace("\n", "\n\n")
    first, second = kin(program("a"), other)
    assert first == NOTHING
    assert (second.copy_of, second.nearest, second.similarity) == (0, 0, 1.0)


def test_a_few_changes_make_a_near_duplicate() -> None:
    _, near, far = kin(program("a"), program("a", changed=2), program("a", changed=30))
    assert (near.copy_of, near.nearest, near.near) == (None, 0, (0,))
    assert near.similarity is not None
    assert 0.8 <= near.similarity < 1
    assert far == NOTHING


def test_the_threshold_decides() -> None:
    codes = program("a"), program("a", changed=8)
    strict, loose = (
        kin(*codes, settings=NearDuplicates(threshold=threshold, rows_per_band=2))[1] for threshold in (0.95, 0.3)
    )
    assert strict.nearest is None
    assert loose.nearest == 0


def test_only_earlier_files_count() -> None:
    codes = [program("a"), program("b"), program("a", changed=1), program("b", changed=1), program("a", changed=2)]
    alone = kin(*codes)
    assert [each.nearest for each in alone] == [None, None, 0, 1, 2]
    assert kin(*codes, known=2) == alone[2:]
    assert kin(*codes, program("a"), program("z"))[: len(codes)] == alone


def test_files_without_text_have_no_kin() -> None:
    signature = sign(program("a"), SETTINGS)
    found = find_kin([None, signature], [None, signature, None], SETTINGS)
    assert found == [NOTHING, Kin(1, 1, 1.0, (1,)), NOTHING]


def test_nothing_at_all() -> None:
    assert find_kin([], [], SETTINGS) == []
    assert kin("", "x", "")[2].copy_of == 0


def test_a_bridge_knows_both_sides() -> None:
    settings = NearDuplicates(threshold=0.45, rows_per_band=2)
    left, right = program("a"), program("b")
    bridge = left + right
    *_, found = kin(left, right, bridge, settings=settings)
    assert found.near == (0, 1)


def test_a_full_bucket_still_finds_its_group() -> None:
    found = kin(*(program("a") for _ in range(200)))
    assert {each.nearest for each in found[1:]} == {0}


@pytest.mark.parametrize(
    ("settings", "count", "kept"),
    [
        (SETTINGS, 2, True),
        (NearDuplicates(threshold=0.5), 2, True),
        (NearDuplicates(shingle_tokens=3), 2, False),
        (NearDuplicates(permutations=64), 2, False),
        (SETTINGS, 3, False),
    ],
)
def test_signatures_are_kept_with_their_parameters(settings: NearDuplicates, count: int, kept: bool) -> None:
    signatures: list[Signature | None] = [sign("x = 1", SETTINGS), None]
    file = signatures_file(signatures, SETTINGS)
    assert read_signatures(file, count, settings) == (signatures if kept else [None] * count)
    assert read_signatures(None, 1, SETTINGS) == [None]


def test_signatures_do_not_change_between_versions() -> None:
    signature = sign("def f(a):\n    return a + 1\n", SETTINGS)
    assert signature.tokens_sha256[:16] == "352b5a3e956a7f86"
    assert signature.values[:8].hex() == "7ba448c9cc99dd5c"
