"""Lists: what is narrowed, counted, sorted and paged is what the tables hold, also after they were made anew."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from codeio_assets.browse.index import VERSION, Index
from codeio_assets.browse.library import Library
from codeio_assets.browse.listing import MARKS, Listing, Narrowing
from codeio_assets.browse.lists import LISTS, counts_query
from codeio_assets.products.marks import Marking, add_marks
from codeio_assets.store import StoreError
from codeio_assets_tests.reports import tiny


def listing(library: Library, query: str = "", table: str = "tasks") -> Listing:
    return Listing(library.index, Narrowing.read(table, parse_qsl(query)))


def counts(library: Library, query: str = "", table: str = "tasks") -> dict[str, dict[str, int]]:
    return {
        facet.name: {value.value: value.count for value in facet.values}
        for facet in listing(library, query, table).choices()
    }


def test_counts_of_the_whole_list_are_those_of_its_rows(library: Library) -> None:
    """They are kept by partition; the marks among them change without it."""
    task, other = (row["id"] for row in library.listing("tasks", []).page().rows[:2])
    for item, mark in ((task, "flag"), (other, "exclude")):
        add_marks(library.warehouse, "ada", Marking("task", [item], mark))
    for _ in range(2):
        library.index.refresh()
        for table, of in LISTS.items():
            kept = counts(library, "", table)
            with library.index.cursor() as cursor:
                marks = "" if table == "rejections" else MARKS
                rows = cursor.execute(counts_query(of, of.facets, "true", marks)).fetchall()
            counted: dict[str, dict[str, int]] = {}
            for facet, value, n in rows:
                counted.setdefault(facet, {})[value] = n
            assert {name: kept[name] for name in counted} == counted
        changed = tiny.tables()
        del changed["beta-0001"]["prediction_tasks"][1:]
        tiny.write(library.warehouse, {"beta-0001": changed["beta-0001"]})


def test_everything_is_there(library: Library) -> None:
    assert listing(library).count() == tiny.TASKS
    assert listing(library, table="functions").count() == tiny.FUNCTIONS
    assert listing(library, table="files").count() == tiny.RAW_FILES
    assert counts(library, table="rejections")["reason"] == {
        "too_short": 2, "broken_json": 1, "no_output": 1, "not_python": 1,
    }  # fmt: skip


def test_counts_are_those_of_the_verdicts(library: Library) -> None:
    found = counts(library)
    verdicts = library.warehouse.sql("select status, count(*) as n from verdicts group by 1").rows()
    assert found["turn1"] == dict(verdicts)
    assert found["turn1"]["correct"] == tiny.CORRECT_FIRST
    assert sum(found["last"].values()) == tiny.TASKS
    assert found["last"]["correct"] == tiny.CORRECT_AT_LAST
    assert found["source"] == {"alpha": 12, "beta": 8}
    assert found["flaw"]["too_short"] == tiny.TASKS
    assert found["recipe"] == {tiny.RECIPE: tiny.TASKS}


def test_a_choice_leaves_the_alternatives_of_its_own_facet(library: Library) -> None:
    everything, narrowed = counts(library), counts(library, "turn1=wrong")
    assert narrowed["turn1"] == everything["turn1"], "what else could be chosen stays in sight"
    assert sum(narrowed["source"].values()) == everything["turn1"]["wrong"] == listing(library, "turn1=wrong").count()
    assert listing(library, "turn1=wrong&turn1=correct").count() == (
        everything["turn1"]["wrong"] + everything["turn1"]["correct"]
    )
    for facet in listing(library, "turn1=wrong&source=alpha").choices():
        for value in facet.values:
            if not value.is_chosen and facet.name not in {"turn1", "source"}:
                query = value.address.partition("?")[2]
                assert listing(library, query).count() == value.count, (facet.name, value.value)


def test_recipe_and_split_narrow(library: Library) -> None:
    found = counts(library, f"recipe={tiny.RECIPE}")
    assert sum(found["split"].values()) == tiny.TASKS
    assert listing(library, f"recipe={tiny.RECIPE}&split=validation").count() == found["split"]["validation"] == 4
    assert listing(library, "recipe=other").count() == 0


@pytest.mark.parametrize("sort", ["id", "longest", "shortest", "hardest", "turns", "path"])
def test_pages_hold_every_row_once_and_can_be_turned_back(library: Library, sort: str) -> None:
    whole = [row["id"] for row in listing(library, f"sort={sort}").page(size=100).rows]
    assert len(set(whole)) == tiny.TASKS
    of, seen, after, before = listing(library, f"sort={sort}"), [], "", None
    while True:
        page = of.page(after=after, size=7)
        assert (page.previous is None) == (not seen)
        seen += [row["id"] for row in page.rows]
        if page.next is None:
            before = page.previous
            break
        after = page.next
    assert seen == whole
    assert [row["id"] for row in of.page(before=before, size=7).rows] == whole[7:14]


def test_sorts_sort(library: Library) -> None:
    tokens = [row["tokens"] for row in listing(library, "sort=longest").page().rows]
    assert tokens == sorted(tokens, reverse=True)
    rates = [row["pass_rate"] for row in listing(library, "sort=hardest").page().rows]
    assert rates == sorted(rates)


def test_neighbours_are_those_of_the_list(library: Library) -> None:
    of = listing(library, "sort=longest&direction=input")
    ids = [row["id"] for row in of.page().rows]
    assert of.neighbours(ids[0]) == (None, ids[1])
    assert of.neighbours(ids[3]) == (ids[2], ids[4])
    assert of.neighbours(ids[-1]) == (ids[-2], None)
    assert of.neighbours("0" * 64) == (None, None)


def test_words_find_answers_code_and_values(library: Library) -> None:
    assert listing(library, "q=add_3").count() == 0
    assert listing(library, "q=add_3", "files").count() == 1
    functions = listing(library, "q=constant", "functions").count()
    assert functions == tiny.FUNCTIONS
    assert listing(library, "q=constant").count() == tiny.TASKS, "the tasks of a function are found by its text"
    revised = listing(library, "turn1=wrong").count()
    assert listing(library, "q=added").count() == tiny.TASKS
    assert listing(library, "q=added nowhere").count() == 0, "all words must be there"
    assert listing(library, "q=added*&turn1=wrong").count() == revised
    assert listing(library, "q=nowhere").count() == 0
    assert listing(library, "q=%22%2A+OR").count() == 0, "what is typed is words, never a query"


def test_marks_narrow_at_once(library: Library) -> None:
    first, second, *_ = (row["id"] for row in listing(library).page().rows)
    add_marks(library.warehouse, "ada", Marking("task", [first, second], "exclude"))
    add_marks(library.warehouse, "bob", Marking("task", [first], "flag"))
    library.index.refresh_marks()
    assert counts(library)["mark"] == {"none": tiny.TASKS - 2, "exclude": 2, "flag": 1}
    assert {row["id"] for row in listing(library, "mark=exclude").page().rows} == {first, second}
    assert [row["id"] for row in listing(library, "mark=flag").page().rows] == [first]
    assert listing(library, "mark=none").count() == tiny.TASKS - 2


def test_what_is_made_anew_is_read_anew_and_only_that(library: Library) -> None:
    before = library.index.freshness
    assert library.index.refresh() == before, "nothing has changed"
    changed = tiny.tables()
    for row in changed["beta-0001"]["verdicts"]:
        row["status"] = "timeout"
    tiny.write(library.warehouse, {"beta-0001": changed["beta-0001"]})
    assert library.index.refresh().generation == before.generation + 1
    assert counts(library, "source=beta")["turn1"]["timeout"] == 8 + 0
    assert listing(library).count() == tiny.TASKS
    assert listing(library, "q=constant").count() == tiny.TASKS, "words are of the rows that are there"


def test_the_index_is_kept_and_can_be_lost(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = library.project.home / "browse"
    with pytest.raises(StoreError, match="`codeio browse` of this project runs"):
        _in_another_process(folder)
    library.index.close()
    again = Index(library.warehouse, folder, library.project.sql)
    with monkeypatch.context() as patched:
        patched.setattr(again, "_replace", lambda part, _: pytest.fail(f"{part} is there already"))
        assert again.refresh().parts == 3
    again.close()
    (folder / f"rows.{VERSION}.duckdb").unlink()
    anew = Index(library.warehouse, folder, library.project.sql)
    assert anew.refresh().parts == 3
    anew.close()


def _in_another_process(folder: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from pathlib import Path; from codeio_assets.browse.index import Index; "
        "from codeio_assets.project import INSTALLED_ROOT, Project; from codeio_assets.store import Warehouse; "
        "folder = Path(sys.argv[1]); project = Project(INSTALLED_ROOT, folder.parent); "
        "Index(Warehouse(project.warehouse), folder, project.sql)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(done.stderr)


def test_a_damaged_manifest_hides_its_own_rows_alone(library: Library) -> None:
    (library.warehouse.root / "manifests" / "verdicts" / "beta-0001.json").write_text("{")
    library.index.refresh()
    assert counts(library)["turn1"]["answered"] == 8, "without verdicts, how the requests ended"
    assert listing(library, "source=alpha").count() == 12
