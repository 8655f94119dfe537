"""What pages post: marks, and code to run. A form carries the secret of this process, or it is refused.

What does not live here: the pages (`pages`), foreign origins (`protection`).
"""

import secrets
from urllib.parse import parse_qsl, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from codeio_assets.browse.items import Item
from codeio_assets.browse.library import Library
from codeio_assets.browse.protection import LONGEST_BODY
from codeio_assets.browse.rendering import render
from codeio_assets.browse.trying import Result
from codeio_assets.products.marks import MOST_ITEMS, Marking, add_marks
from codeio_assets.store import StoreError

Form = dict[str, str]


async def form_of(library: Library, request: Request) -> Form:
    """Return the fields of a form.

    Raises:
        PermissionError: it is not one of ours, or too long.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise PermissionError(f"more than {LONGEST_BODY >> 20} MiB were sent")
    form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=50))
    if not secrets.compare_digest(form.get("token", "").encode(), library.token.encode()):
        raise PermissionError("the page is of an earlier start of this server: load it again")
    return form


async def mark(library: Library, request: Request) -> Response:
    """Mark one item and go back to it, or in a review on to the next page."""
    form = await form_of(library, request)
    note = form.get("note", "").strip()
    name = "note" if form.get("mark") == "note" else form.get("mark", "")
    if name == "note" and not note:
        return RedirectResponse(_own_page(form.get("back", "")), status_code=303)
    marking = Marking(form.get("kind", ""), [form.get("id", "")], name, note)  # type: ignore[arg-type]
    await run_in_threadpool(_add, library, marking)
    return RedirectResponse(_own_page(form.get("back", "")), status_code=303)


async def mark_all(library: Library, request: Request) -> Response:
    """Mark every row of a narrowed list, if it still has as many as the page said."""
    form = await form_of(library, request)
    table = form.get("list", "")
    if table not in {"tasks", "functions", "files"} or form.get("sure") != "yes":
        raise StoreError("Say `yes` to mark all of them.")
    listing = library.listing(table, parse_qsl(form.get("query", "")))
    if listing.too_many_hits:
        raise StoreError("Too many texts hold these words to act on all of them: add a word.")
    ids = await run_in_threadpool(listing.ids, MOST_ITEMS + 1)
    if str(len(ids)) != form.get("count"):
        raise StoreError(f"The list has {len(ids):,} rows now, not {form.get('count')}: look at it again.")
    marking = Marking(table[:-1], ids, form.get("mark", ""), form.get("note", "").strip())  # type: ignore[arg-type]
    await run_in_threadpool(_add, library, marking)
    return RedirectResponse(listing.of.address(), status_code=303)


def _add(library: Library, marking: Marking) -> None:
    add_marks(library.warehouse, library.person, marking)
    library.index.refresh_marks()


def _own_page(address: str) -> str:
    """Return an address of ours to go back to, and never one elsewhere."""
    parts = urlsplit(address)
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc
    return address if is_ours and "\n" not in address else "/"


async def execute(library: Library, request: Request) -> Response:
    """Run a function on an input that was typed."""
    form = await form_of(library, request)
    return await run_in_threadpool(lambda: _shown(library.trial.execute(_item(library, form), form.get("input", ""))))


async def judge(library: Library, request: Request) -> Response:
    """Judge an answer that was typed."""
    form = await form_of(library, request)
    return await run_in_threadpool(lambda: _shown(library.trial.judge(_item(library, form), form.get("answer", ""))))


async def ask(library: Library, request: Request) -> Response:
    """Ask a model about a file once more, with the template that was typed."""
    form = await form_of(library, request)
    model, template = form.get("model", ""), form.get("template", "")
    return await run_in_threadpool(
        lambda: _shown(library.asking.ask(library.items.file(form.get("file", "")), model, template))
    )


def _item(library: Library, form: Form) -> Item:
    if form.get("task"):
        return library.items.task(form["task"])
    return library.items.function(form.get("function", ""))


def _shown(result: Result) -> HTMLResponse:
    return HTMLResponse(render("result.html", result=result))
