"""The resources of the pipeline: project, warehouse, chat server, sandbox.

What does not live here: how the engines work (`store`, `llm`, `sandbox`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from codeio_assets.llm import ChatClient, Journal, OpenAIChatClient, RecordedChatClient
from codeio_assets.project import Project
from codeio_assets.sandbox import Limits, Sandbox, open_sandbox
from codeio_assets.store import Warehouse

RECORDED = "recorded"


class ProjectResource(dg.ConfigurableResource):
    """The project of this code location: settings, sources, recipes, paths."""

    def get(self) -> Project:
        """Read the project anew, so that edits count from the next run on."""
        return Project.find()


class WarehouseResource(dg.ConfigurableResource):
    """The tables."""

    def get(self) -> Warehouse:
        """Open the warehouse of the project."""
        return Warehouse(Project.find().warehouse)


class ChatServerResource(dg.ConfigurableResource):
    """A language model behind an OpenAI-compatible endpoint, or the recorded responses of one."""

    def get(self) -> ChatClient:
        """Open a client from codeio.yaml; keys come from the environment only."""
        return open_chat(Project.find())


class SandboxResource(dg.ConfigurableResource):
    """Workers that run untrusted code."""

    @contextmanager
    def open(self) -> Generator[Sandbox]:
        """Start workers for the time of a step."""
        settings = Project.find().settings.sandbox
        limits = Limits(cpu_s=settings.cpu_s, wall_s=settings.wall_s, memory_mib=settings.memory_mib)
        with open_sandbox(limits, workers=settings.workers, isolation=settings.isolation) as sandbox:
            yield sandbox


def open_chat(project: Project) -> ChatClient:
    """Return the client that codeio.yaml and the environment ask for."""
    chat = project.settings.chat
    journal = Journal(journal_folder(project))
    if chat.base_url == RECORDED:
        return RecordedChatClient(journal, chat.model)
    return OpenAIChatClient(
        chat.base_url,
        chat.model,
        journal,
        concurrency=chat.concurrency,
        timeout_s=chat.timeout_s,
    )


def journal_folder(project: Project) -> Path:
    """Return the journal in use: the recorded one that is replayed, or the project's own."""
    chat = project.settings.chat
    replayed = chat.base_url == RECORDED and chat.recorded
    return project.root / chat.recorded if replayed and chat.recorded else project.journal
