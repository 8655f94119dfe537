"""The pages that are read: lists, items, overview, review, comparison. Each gives a name of a template and its values.

What does not live here: what is posted (`actions`), routes and errors (`app`).
"""

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from codeio_assets.browse.comparing import compare
from codeio_assets.browse.items import Found, Item
from codeio_assets.browse.library import Library
from codeio_assets.browse.listing import Narrowing
from codeio_assets.browse.lists import LISTS
from codeio_assets.browse.rendering import render
from codeio_assets.browse.reviewing import LONGEST, decisions, looked_at, standing
from codeio_assets.core.tables.data import Row
from codeio_assets.core.tables.remedies import meaning, remedy
from codeio_assets.llm.session import prices_of
from codeio_assets.store import StoreError

TARGET = 3.0
MARKS_SHOWN = 200
KEYS = (
    ("j, k", "next and previous: in a list the row, on a page the item"),
    ("Enter", "open the row"),
    ("u", "back to the list"),
    ("a, x, f, c", "accept, exclude, flag, clear"),
    ("n", "write a note"),
    ("/", "search words"),
    ("Esc", "leave a field"),
    ("?", "this page"),
)
ENTRIES = (
    ("Wrong at turn 1", "/tasks?turn1=wrong"),
    ("Answers without a readable value", "/tasks?turn1=no_answer"),
    ("Right only after revision", "/tasks?turn1=wrong&last=correct"),
    ("Answers that loop", "/tasks?flaw=loop"),
    ("Functions that no answer gets right", "/functions?pass_rate=0%25"),
    ("Files that gave no function", "/rejections?step=unified_functions"),
    ("What was dropped, and why", "/rejections"),
)


def page(library: Library, template: str, here: str = "", **values: object) -> HTMLResponse:
    """Return a page with what every page has."""
    shared = {"here": here, "freshness": library.index.freshness, "person": library.person, "token": library.token}
    return HTMLResponse(render(template, **shared, **values))


def _pairs(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(str(request.url.query), max_num_fields=200)


def show_list(library: Library, request: Request) -> Response:
    """A narrowed list."""
    table = str(request.path_params["table"])
    listing = library.listing(table, _pairs(request))
    count, choices = library.counts(listing)
    rows = listing.page(request.query_params.get("after", ""), request.query_params.get("before", ""))
    if table == "rejections":
        for row in rows.rows:
            row["address"] = (
                f"/{row['kind']}s/{row['item_id']}" if row["kind"] != "pair" else f"/find?id={row['item_id']}"
            )
            if row["step"] == "raw_code_files":
                row["address"] = f"/dropped/{row['item_id']}"
    return page(
        library,
        "list.html",
        f"/{table}",
        of=listing.of,
        count=count,
        choices=choices,
        page=rows,
        too_many=listing.too_many_hits,
    )


def show_item(library: Library, request: Request) -> Response:
    """A task, function or file, with its place in the list or the review that it was opened from."""
    table, item_id = str(request.path_params["table"]), str(request.path_params["item_id"])
    item = getattr(library.items, table[:-1])(item_id)
    _explain(item)
    return page(
        library,
        "task.html" if table == "tasks" else "source.html",
        f"/{table}",
        item=item,
        place=_place(library, table, item_id, _pairs(request)),
        offer=library.asking.offer() if item.file and table != "tasks" else None,
        here_address=_here(request),
    )


def _here(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _explain(item: Item) -> None:
    for row in item.rejections:
        row["meaning"] = meaning(f"{row['step']}_rejections", row["reason"]).capitalize()
        row["remedy"] = remedy(row["reason"])


def _place(library: Library, table: str, item_id: str, pairs: list[tuple[str, str]]) -> dict[str, str | None]:
    """Return where the list is and which item comes before and after."""
    given = dict(pairs)
    if table == "tasks" and given.get("salt"):
        return _place_in_review(library, item_id, pairs)
    listing = library.listing(table, pairs)
    before, after = listing.neighbours(item_id)
    query = f"?{listing.of.query}" if listing.of.query else ""
    return {
        "list": listing.of.address(),
        "label": f"All {listing.of.of.label.lower()}" if listing.of.is_everything else "The list",
        "previous": f"/{table}/{before}{query}" if before else None,
        "next": f"/{table}/{after}{query}" if after else None,
    }


def _place_in_review(library: Library, item_id: str, pairs: list[tuple[str, str]]) -> dict[str, str | None]:
    given, listing = dict(pairs), library.listing("tasks", pairs)
    order = listing.shuffled(given["salt"], LONGEST)
    place = order.index(item_id) if item_id in order else -1
    context = _context(listing.of, given["salt"], given.get("target", str(TARGET)))
    following = order[place + 1] if place + 1 < len(order) else None
    return {
        "list": f"/review?{context}",
        "label": "The review",
        "previous": f"/tasks/{order[place - 1]}?{context}" if place > 0 else None,
        "next": f"/tasks/{following}?{context}" if following else None,
    }


def _context(of: Narrowing, salt: str, target: str) -> str:
    return urlencode([*of.pairs, ("salt", salt), ("target", target)])


def show_sample(library: Library, request: Request) -> Response:
    """A conversation of the instruction data."""
    item_id = str(request.path_params["item_id"])
    sample = library.items.sample(item_id)
    return page(
        library,
        "sample.html",
        sample=sample,
        messages=json.loads(sample["messages_json"]),
        marks=library.items.marks_of(item_id),
        here_address=_here(request),
    )


def show_dropped(library: Library, request: Request) -> Response:
    """An item that could not even be read, which no table but the rejections knows."""
    item_id = str(request.path_params["item_id"])
    rows = library.warehouse.sql("select * from raw_code_files_rejections where id = $id", id=item_id).to_dicts()
    if not rows:
        raise KeyError(f"nothing that was dropped has the id {item_id}")
    lines = [
        line
        for row in rows
        for line in (
            f"{row['source']}, {row['part']}: {meaning('raw_code_files_rejections', row['reason'])}.",
            f"Found: {row['detail']}",
            f"What to do: {remedy(row['reason'])}",
        )
    ]
    return page(
        library,
        "message.html",
        heading=f"Dropped: {rows[0]['reason'].replace('_', ' ')}",
        lines=lines,
        found=[],
        keys=[],
    )


def find(library: Library, request: Request) -> Response:
    """What an id leads to."""
    beginning = request.query_params.get("id", "")
    found = library.items.find(beginning)
    if len(found) == 1:
        return RedirectResponse(_address(found[0]), status_code=303)
    if not found:
        raise KeyError(f"nothing has the id {beginning[:80]}")
    return page(library, "message.html", heading="Several items", lines=[], found=found, keys=[])


def _address(found: Found) -> str:
    return f"/{found.kind}s/{found.id}"


def show_keys(library: Library, _request: Request) -> Response:
    """What the keyboard does."""
    return page(library, "message.html", heading="Keys", lines=[], found=[], keys=KEYS)


def show_overview(library: Library, _request: Request) -> Response:
    """How much there is, and where to begin."""
    shards, more = library.shards()
    counts = {table: library.listing(table, []).count() for table in LISTS}
    return page(
        library,
        "overview.html",
        "/",
        figures=_figures(library, counts),
        alarms=_alarms(shards),
        entries=ENTRIES,
        shards=shards,
        more_shards=more,
        reports=reports_of(library),
    )


def _figures(library: Library, counts: Mapping[str, int]) -> list[tuple[str, int, str, str]]:
    right = library.listing("tasks", [("turn1", "correct")]).count()
    with library.index.cursor() as cursor:
        row = cursor.execute("select count(*) filter (where is_right) from tasks").fetchone()
    at_last = int(row[0]) if row else 0
    return [
        ("raw files", counts["files"], "/files", ""),
        ("functions", counts["functions"], "/functions", _of(counts["functions"], counts["files"], "files")),
        ("tasks", counts["tasks"], "/tasks", ""),
        ("right at turn 1", right, "/tasks?turn1=correct", _of(right, counts["tasks"])),
        ("right after revision", at_last, "/tasks?last=correct", _of(at_last, counts["tasks"])),
        ("rejections", counts["rejections"], "/rejections", ""),
    ]


def _of(part: int, whole: int, what: str = "tasks") -> str:
    return f"{part / whole:.1%} of all {what}" if whole else ""


def _alarms(shards: list[Row]) -> list[str]:
    """Return what is most likely wrong with a shard: a step of which nothing is left."""
    lines = [
        f"{row['part']}: {row['files']:,} files gave no function."
        for row in shards
        if row["files"] and not row["functions"]
    ]
    lines += [
        f"{row['part']}: none of {row['tasks']:,} tasks is right."
        for row in shards
        if row["tasks"] and row["last"] == 0
    ]
    return lines[:20]


def reports_of(library: Library) -> list[str]:
    """Return the names of the reports that were made, the general one first."""
    folder = library.project.report.parent
    files = sorted(folder.rglob("*.html")) if folder.is_dir() else []
    names = [file.relative_to(folder).as_posix() for file in files]
    return sorted(names, key=lambda name: ("/" in name, name))[:200]


def show_marks(library: Library, _request: Request) -> Response:
    """The latest marks of everybody."""
    marks = library.warehouse.read("marks").sort("marked_at", descending=True)
    return page(library, "marks.html", "/marks", rows=marks.head(MARKS_SHOWN).to_dicts(), total=len(marks))


def show_review(library: Library, request: Request) -> Response:
    """Where a review of a random sample stands."""
    pairs = _pairs(request)
    given, listing = dict(pairs), library.listing("tasks", pairs)
    salt, target = given.get("salt") or "first", _percent(given.get("target"))
    order = listing.shuffled(salt, LONGEST)
    seen = looked_at(order, decisions(library.warehouse, library.person))
    return page(
        library,
        "review.html",
        "/review",
        of=listing.of,
        count=listing.count(),
        target=target,
        salt=salt,
        standing=standing(seen, target / 100),
        looked_at=seen[::-1][:100],
        next=order[len(seen)] if len(seen) < len(order) else None,
        context=_context(listing.of, salt, str(target)),
    )


def _percent(text: str | None) -> float:
    try:
        return min(50.0, max(0.1, float(text or TARGET)))
    except ValueError:
        return TARGET


def show_comparison(library: Library, request: Request) -> Response:
    """Two sets of answers held against each other."""
    sets, found = library.answers.names(), None
    a, b = request.query_params.get("a", ""), request.query_params.get("b", "")
    if a and b:
        if {a, b} - set(sets):
            raise StoreError("There are no answers of that name; choose two of the list.")
        chat = library.project.settings.chat
        found = compare(library.answers.read(a), library.answers.read(b), prices_of(chat), chat.currency)
    names = {"a": a or sets[0], "b": b or sets[1]}
    return page(library, "compare.html", "/compare", sets=sets, found=found, **names)
