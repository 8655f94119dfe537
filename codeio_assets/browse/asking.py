"""Ask a model again about one file, from its page, before anybody pays for a backfill: what `codeio try` does.

What does not live here: the steps (`products.one_file`), which forms are taken (`actions`).
"""

import threading
from dataclasses import dataclass

from codeio_assets.browse.differences import Piece
from codeio_assets.browse.items import Item
from codeio_assets.browse.trying import Result
from codeio_assets.core.prompts import PromptError, read_prompt
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.llm.contract import ChatServerError
from codeio_assets.llm.session import RECORDED, VLLM
from codeio_assets.products.one_file import Asked, try_code
from codeio_assets.project import Project
from codeio_assets.sandbox import SandboxUnavailable
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.store import StoreError

LONGEST_NAME = 200
EXPECTED = (ChatServerError, PromptError, SettingsError, SandboxUnavailable, InfrastructureError, StoreError)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the form begins with: the model of codeio.yaml and the template that asks for a function."""

    model: str
    template: str


class Asking:
    """Asks the server of a project about one file at a time; answers go to the journal, tables stay as they are."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()

    def offer(self) -> Offer | None:
        """Return what the form begins with; None where codeio.yaml names no server that is running."""
        chat = self._project.settings.chat
        if chat.base_url in {RECORDED, VLLM} and not chat.endpoints:
            return None
        return Offer(chat.model, self._project.prompt("transform").text)

    def ask(self, item: Item, model: str, template: str) -> Result:
        """Return what comes of an item's file with a model and a template; what cannot be asked is told in one line."""
        offer, name = self.offer(), model.strip()
        if offer is None or item.file is None:
            return _failed("codeio.yaml names no server (`chat.base_url`), or the file is not there")
        if not name or len(name) > LONGEST_NAME:
            return _failed("name a model, as its server does")
        if not self._lock.acquire(blocking=False):
            return _failed("another file is being asked about: wait for its answer")
        try:
            text = template.replace("\r\n", "\n").strip("\n")
            own = None if text == offer.template else read_prompt("transform", text, "of the form")
            lines = try_code(self._project, item.file["path"], item.file["content"], Asked(name, transform=own))
            told = "\n".join(lines)
        except EXPECTED as error:
            return _failed(" ".join(str(error).split()))
        finally:
            self._lock.release()
        return Result(
            "ask", "ok", f"{name} was asked; its answers are in the journal, no table has changed", [Piece(told)]
        )


def _failed(why: str) -> Result:
    return Result("ask", "failed", why, [])
