"""The project: where things are, and the settings, sources and recipes of a folder.

A project is a folder with codeio.yaml, sources.yaml and recipes/. It is the one that `CODEIO_PROJECT` names, else the
nearest at or above the current folder, as git finds a repository. `CODEIO_HOME` is the folder for everything that is
made (default: `var` in the project).
What does not live here: what the files mean (`core.settings.project`, `core.settings.recipes`).
"""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from codeio_assets.core.prompts import Prompt, load_prompt
from codeio_assets.core.settings.benchmarks import BenchmarkSettings
from codeio_assets.core.settings.project import (
    Settings,
    SettingsError,
    Source,
    Sources,
    load_benchmarks,
    load_settings,
    load_sources,
)
from codeio_assets.core.settings.recipes import Recipe, load_recipe
from codeio_assets.llm.session import ChatFolders
from codeio_assets.sources.shards import ShardRegistry
from codeio_assets.store import Warehouse
from codeio_assets.store.interface import Blobs
from codeio_assets.store.places import open_blobs

MARKER = "codeio.yaml"
"""The file that makes a folder a project."""
INSTALLED_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Project:
    """Paths and settings. Files are read on first use, once per instance."""

    root: Path
    home: Path
    _recipes: dict[str, Recipe] = field(default_factory=dict[str, Recipe], repr=False, compare=False)
    _shared: dict[tuple[str, str], Blobs] = field(
        default_factory=dict[tuple[str, str], Blobs], repr=False, compare=False
    )

    @classmethod
    def find(cls) -> "Project":
        """Return the project that the environment names, or that the current folder is in.

        Raises:
            SettingsError: there is none.
        """
        root = find_root(os.environ.get("CODEIO_PROJECT"), Path.cwd())
        return cls(root, Path(os.environ.get("CODEIO_HOME") or root / "var").resolve())

    @cached_property
    def settings(self) -> Settings:
        """codeio.yaml, with `CODEIO_BASE_URL` and `CODEIO_MODEL` from the environment put over it."""
        settings = load_settings(self.root / "codeio.yaml")
        base_url = os.environ.get("CODEIO_BASE_URL")
        override = {
            "base_url": base_url or settings.chat.base_url,
            "endpoints": () if base_url else settings.chat.endpoints,
            "model": os.environ.get("CODEIO_MODEL") or settings.chat.model,
        }
        return settings.model_copy(update={"chat": settings.chat.model_copy(update=override)})

    @cached_property
    def sources(self) -> Sources:
        """sources.yaml."""
        return load_sources(self.root / "sources.yaml")

    @cached_property
    def benchmarks(self) -> BenchmarkSettings:
        """benchmarks.yaml; a project without one asks the bundled questions."""
        return load_benchmarks(self.root / "benchmarks.yaml")

    def recipe_names(self) -> list[str]:
        """Return the names of the files in recipes/, sorted, whether or not they can be read."""
        return sorted(path.stem for path in (self.root / "recipes").glob("*.yaml"))

    def source_names(self) -> list[str]:
        """Return the names in sources.yaml, whether or not what they stand for can be used."""
        return [*self.sources.sources, *self.sources.broken]

    def source(self, name: str) -> Source:
        """Return a source by name.

        Raises:
            SettingsError: sources.yaml has none of that name, or what it says of it cannot be used.
        """
        if name in self.sources.broken:
            raise SettingsError(self.sources.broken[name])
        if name not in self.sources.sources:
            known = ", ".join(self.source_names())
            raise SettingsError(
                f"sources.yaml has no source {name!r} (it has {known}). Add it, or `codeio sources drop {name}`."
            )
        return self.sources.sources[name]

    def recipe(self, name: str) -> Recipe:
        """Return a recipe by name.

        Raises:
            SettingsError: recipes/ has none of that name.
            RecipeError: its file cannot be used.
        """
        if name not in self.recipe_names():
            raise SettingsError(f"there is no recipe {name!r}; recipes/ has {', '.join(self.recipe_names()) or 'none'}")
        if name not in self._recipes:
            self._recipes[name] = load_recipe(self.root / "recipes" / f"{name}.yaml")
        return self._recipes[name]

    def prompt(self, name: str) -> Prompt:
        """Return a prompt template, the user's own before ours."""
        chat = self.settings.chat
        return load_prompt(name, self.root / chat.prompts if chat.prompts else None, chat.prompt_version)

    @property
    def sql_folder(self) -> Path:
        """Folder of the queries: the project's own, else ours."""
        own = self.root / "sql"
        return own if own.is_dir() else INSTALLED_ROOT / "sql"

    def sql(self, path: str) -> str:
        """Return the text of a file under sql/, the project's own before ours."""
        own = self.root / "sql" / path
        return (own if own.is_file() else INSTALLED_ROOT / "sql" / path).read_text(encoding="utf-8")

    @property
    def shards(self) -> ShardRegistry:
        """The registered shards."""
        return ShardRegistry(self.home / "shards", self.shared("shards"))

    @property
    def warehouse(self) -> Path:
        """Folder of the tables, or of their cache; `open_warehouse` opens them."""
        return self.home / "warehouse"

    def open_warehouse(
        self, memory_limit: str | None = None, threads: int | None = None, trust_s: float = 0.0
    ) -> Warehouse:
        """Open the tables, in `warehouse` or in the object storage that `CODEIO_WAREHOUSE_URL` names; as `Warehouse`.

        Raises:
            StoreError: the storage cannot be used.
        """
        return Warehouse(self.warehouse, memory_limit, threads, trust_s, warehouse_url())

    def shared(self, folder: str) -> Blobs | None:
        """Return what is kept of a folder of the home in object storage; None where the home holds all.

        Raises:
            StoreError: the storage cannot be used.
        """
        url = warehouse_url()
        if url is None:
            return None
        if (url, folder) not in self._shared:
            self._shared[url, folder] = open_blobs(self.warehouse, url).below(folder)
        return self._shared[url, folder]

    @property
    def journal(self) -> Path:
        """Folder of the responses that came from live servers."""
        return self.home / "journal"

    @property
    def chat_folders(self) -> ChatFolders:
        """Where sessions with models keep their journal and logs."""
        return ChatFolders(self.root, self.journal, self.home / "logs", self.shared("journal"))

    @property
    def tokens(self) -> Path:
        """Folder of the tokenised sets, each named by its identity."""
        return self.home / "tokens"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, `<recipe>/stage<n>`."""
        return self.home / "checkpoints"

    def shard_report(self, shard: str) -> Path:
        """Return where the quality report on one shard is."""
        return self.home / "reports" / "shards" / f"{shard}.html"

    @property
    def report(self) -> Path:
        """The quality report."""
        return self.home / "reports" / "quality_report.html"


def warehouse_url() -> str | None:
    """Return the address in object storage that `CODEIO_WAREHOUSE_URL` gives; None without one."""
    return os.environ.get("CODEIO_WAREHOUSE_URL") or None


def browser_url() -> str:
    """Return where the browser is that links lead to: `CODEIO_BROWSER_URL`, else where `codeio browse` listens."""
    return os.environ.get("CODEIO_BROWSER_URL", "http://127.0.0.1:3001").rstrip("/")


def find_root(named: str | None, here: Path) -> Path:
    """Return the folder of the project: the one that is named, else the nearest at or above `here`.

    Raises:
        SettingsError: the folder that is named is none, or there is no project here.
    """
    if named:
        if not Path(named).is_dir():
            raise SettingsError(f"CODEIO_PROJECT is {named}, which is no folder. Correct it, or unset it.")
        return Path(named).resolve()
    for folder in (here.resolve(), *here.resolve().parents):
        if (folder / MARKER).is_file():
            return folder
    raise SettingsError(
        f"{here} is in no project: no {MARKER} here or above. Go to one, make one with `codeio init DIR`, or set "
        "CODEIO_PROJECT to its folder."
    )
