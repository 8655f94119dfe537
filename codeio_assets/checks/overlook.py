"""How all shards stand, at one look: each record is read once, and what is alike of shards is worked out once.

Shards of one source are decided by the same settings, unless files of theirs were taken down, so that the records of
what decides are made once per source. What this says of a shard is what `registry.standing_of` says of it (a test holds
that), which is asked for the words.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from codeio_assets.checks.registry import State, rules_of
from codeio_assets.core.tables.data import RUN_TABLES
from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.graph.records import as_json
from codeio_assets.graph.steps import WRITERS, Step
from codeio_assets.project import Project
from codeio_assets.store import Finding, Manifest, StoreError, Warehouse
from codeio_assets.store.parquet import changed_columns
from codeio_assets.store.standing import failed_checks

Alike = tuple[str, str]
"""A step, and a source or a shard."""


@dataclass(frozen=True, slots=True)
class _Live:
    """What is live of a partition."""

    version: str
    tables: frozenset[str]


Grouped = dict[str, list[tuple[str, _Live]]]
"""Shard -> partition and what is live of it."""


@dataclass
class Overlook:
    """The shards of a project as they stand when this is made."""

    project: Project
    warehouse: Warehouse
    _live: dict[str, Grouped] = field(default_factory=dict[str, Grouped])
    _uses: dict[Alike, str] = field(default_factory=dict[Alike, str])
    _asked: dict[Alike, dict[str, str]] = field(default_factory=dict[Alike, dict[str, str]])
    _columns: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def __post_init__(self) -> None:
        """Look whether files were taken down: then each shard is its own case."""
        self._has_takedowns = bool(self.project.shards.takedowns())

    def states(self, step: Step[object]) -> Iterator[tuple[str, State | None]]:
        """Yield each shard and how a step of it stands; None where `standing_of` must say it.

        Raises:
            SettingsError, PromptError: a file that the step uses cannot be read.
        """
        last = dict(self.warehouse.standing.each(step.asset))
        for shard in self.project.shards.keys():  # noqa: SIM118  (a registry)
            found = last.get(shard)
            if found is None:
                yield shard, "missing"
            elif isinstance(found, StoreError):
                yield shard, None
            else:
                yield shard, self._state(step, shard, *found)

    def _state(self, step: Step[object], shard: str, last: Manifest, findings: dict[str, Finding]) -> State | None:
        alike = step.asset, shard if self._has_takedowns else shard.rpartition("-")[0]
        if any(self._changed(table, version.columns) for table, version in last.tables.items()):
            return "stale"
        if alike not in self._uses:
            self._uses[alike] = canonical_json(as_json(step.uses(self.project, shard)))
            rules = rules_of(self.project.sql_folder, step)
            self._asked[alike] = {rule.key: rule.fingerprint(rule.uses(self.project, shard)) for rule in rules}
        if last.fingerprint != self._fingerprint(step, shard, self._uses[alike]):
            return "stale"
        asked = self._asked[alike]
        answers = [finding for key, finding in findings.items() if asked.get(key) == finding.fingerprint]
        if failed_checks(answers):
            return None
        return "unchecked" if asked.keys() - {finding.check for finding in answers} else "good"

    def _changed(self, table: str, columns: dict[str, str]) -> str:
        key = table, canonical_json(columns)
        if key not in self._columns:
            self._columns[key] = changed_columns(table, columns)
        return self._columns[key]

    def _fingerprint(self, step: Step[object], shard: str, uses: str) -> str:
        """Return what `running.inputs.fingerprint` does, of what decides as a text."""
        head = {"asset": step.asset, "code_version": step.code_version, "partition": shard}
        text = canonical_json({**head, "upstream": self._upstream(step, shard)})
        return sha256_hex(f'{text[:-1]},"uses":{uses}}}')

    def _upstream(self, step: Step[object], shard: str) -> dict[str, str]:
        read = {table if table in RUN_TABLES else WRITERS[table].asset for table in step.reads}
        return {
            f"{asset}/{key}": live.version
            for asset in read
            if asset in RUN_TABLES or WRITERS[asset].per == step.per
            for key, live in self._of(asset).get(shard, ())
            if not live.tables.isdisjoint(step.reads)
        }

    def _of(self, asset: str) -> Grouped:
        """Return shard -> partition and what is live of it: a table of runs has several of a shard."""
        if asset not in self._live:
            found: Grouped = {}
            for one in self.warehouse.whole(asset):
                shard = one.partition.split(".")[0] if asset in RUN_TABLES else one.partition
                found.setdefault(shard, []).append((one.partition, _Live(one.version, frozenset(one.tables))))
            self._live[asset] = found
        return self._live[asset]
