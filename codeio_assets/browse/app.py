"""The application: which address shows what, and errors as pages of one line.

What does not live here: the pages (`pages`, `actions`), starting a server (`serving`).
"""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from codeio_assets.browse import actions, pages
from codeio_assets.browse.library import Library
from codeio_assets.browse.lists import LISTS
from codeio_assets.browse.protection import Guard
from codeio_assets.browse.rendering import FOLDER
from codeio_assets.sandbox import SandboxUnavailable
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.store import StoreError

Page = Callable[[Library, Request], Response]
Action = Callable[[Library, Request], Awaitable[Response]]


def build_app(library: Library) -> Starlette:
    """Return the application over an opened project."""
    reports = library.project.report.parent
    reports.mkdir(parents=True, exist_ok=True)

    def shown(path: str, page: Page) -> Route:
        async def answer(request: Request) -> Response:
            return await run_in_threadpool(page, library, request)

        return Route(path, answer)

    def posted(path: str, action: Action) -> Route:
        async def answer(request: Request) -> Response:
            return await action(library, request)

        return Route(path, answer, methods=["POST"])

    def failed(request: Request, error: Exception) -> Response:
        return _failure(library, request, error)

    expected = (StoreError, KeyError, PermissionError, SandboxUnavailable, InfrastructureError)
    return Starlette(
        routes=[
            shown("/", pages.show_overview),
            shown("/find", pages.find),
            shown("/keys", pages.show_keys),
            shown("/marks", pages.show_marks),
            shown("/review", pages.show_review),
            shown("/compare", pages.show_comparison),
            shown("/samples/{item_id}", pages.show_sample),
            shown("/dropped/{item_id}", pages.show_dropped),
            posted("/marks", actions.mark),
            posted("/marks/all", actions.mark_all),
            posted("/execute", actions.execute),
            posted("/judge", actions.judge),
            posted("/ask", actions.ask),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Mount("/reports", StaticFiles(directory=reports)),
            *(shown(f"/{table}", _with_table(pages.show_list, table)) for table in LISTS),
            *(
                shown(f"/{table}/{{item_id}}", _with_table(pages.show_item, table))
                for table in ("tasks", "functions", "files")
            ),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers=dict.fromkeys(expected, failed) | {404: failed},
    )


def _with_table(page: Page, table: str) -> Page:
    def with_table(library: Library, request: Request) -> Response:
        request.path_params["table"] = table
        return page(library, request)

    return with_table


def _failure(library: Library, request: Request, error: Exception) -> Response:
    status, heading = _kind(error)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if status == 404 and not isinstance(error, KeyError):
        text = f"There is no page {request.url.path[:100]}."
    response = pages.page(library, "message.html", heading=heading, lines=[text], found=[], keys=[])
    return HTMLResponse(response.body, status_code=status)


def _kind(error: Exception) -> tuple[int, str]:
    if isinstance(error, PermissionError):
        return 403, "Refused"
    if isinstance(error, SandboxUnavailable | InfrastructureError):
        return 503, "The machine could not run it"
    if isinstance(error, StoreError):
        return 400, "That did not work"
    return 404, "Not found"
