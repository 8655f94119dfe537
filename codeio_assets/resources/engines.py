"""The resources of the pipeline: project, chat server, sandbox.

What does not live here: how the engines work (`llm`, `sandbox`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import dagster as dg

from codeio_assets.core.settings.project import ExecutionLimits, SettingsError
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.graph.run_tags import PARTITION_TAG, run_tags
from codeio_assets.llm.session import ChatSession, open_session
from codeio_assets.project import Project
from codeio_assets.sandbox import Limits, Sandbox, open_sandbox


class ProjectResource(dg.ConfigurableResource):
    """The project of this code location: settings, sources, recipes, paths."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Tag the run with what it is about, before its first step: runs that fail are looked for as well."""
        if context.run and context.instance:
            with suppress(SettingsError, RecipeError):  # the step says what is wrong with the file
                tags = run_tags(Project.find(), context.run.tags.get(PARTITION_TAG))
                context.instance.add_run_tags(context.run.run_id, tags)

    def get(self) -> Project:
        """Read the project anew, so that edits count from the next run on."""
        return Project.find()


class ChatServerResource(dg.ConfigurableResource):
    """A language model behind an OpenAI-compatible endpoint, or the recorded responses of one."""

    @contextmanager
    def open(
        self,
        project: Project,
        run_id: str = "",
        say: Callable[[str], None] = lambda _line: None,
        part: str | None = None,
    ) -> Generator[ChatSession]:
        """Open a client as a project's settings say for the time of a step; keys come from the environment only."""
        with open_session(project.settings.chat, project.chat_folders, run_id[:8], say, part) as session:
            yield session


class SandboxResource(dg.ConfigurableResource):
    """Workers that run untrusted code."""

    @contextmanager
    def open(self, settings: ExecutionLimits, workers: int | None = None) -> Generator[Sandbox]:
        """Start workers for the time of a step; None starts one per core."""
        limits = Limits(cpu_s=settings.cpu_s, wall_s=settings.wall_s, memory_mib=settings.memory_mib)
        with open_sandbox(limits, workers=workers, isolation=settings.isolation) as sandbox:
            yield sandbox
