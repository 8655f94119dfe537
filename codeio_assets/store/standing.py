"""Whether a commit is good: what its checks said, and the commits that wait for them.

A commit whose blocking checks have not all passed is a candidate: it stands beside the live manifest, and only checks
read it. It becomes live when they pass, so that what fails is never built upon and the last good version stays.
The head of a partition is one small record: the candidate, and what checks said about the last commit. Every commit
replaces it on the condition that it is still what the writer has seen, so that of two writers one is refused.
What does not live here: which checks there are (`checks`), writing tables (`committing`).
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.manifests import Manifest, Manifests, parsed
from codeio_assets.store.records import Records
from codeio_assets.store.tombstones import Tombstones

ATTEMPTS = 100
"""Each is lost to another writer at most."""


class CommitRefusedError(StoreError):
    """Another run committed the partition, or made what the writer has read anew, since this one began."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check said about one commit.

    Args:
        check: the check's name.
        commit: of the manifest that it looked at.
        passed: whether the rule held.
        blocking: whether a commit that breaks the rule is not good.
        fingerprint: of what the check goes by, so that other thresholds ask again.
        told: what is wrong, for people; empty when nothing is.
        run_id: of the run that checked.
    """

    check: str
    commit: str
    passed: bool
    blocking: bool
    fingerprint: str
    told: str = ""
    run_id: str = ""


class Head(BaseModel):
    """The last commit of a partition: the candidate if it waits, and what was said about the commit `checked`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    waiting: Manifest | None = None
    checked: str = ""
    findings: dict[str, Finding] = {}

    @classmethod
    def trusted(cls, data: bytes) -> "Head":
        """Return a head from a text that was checked before."""
        found = json.loads(data)
        waiting = Manifest.trusted(json.dumps(found["waiting"]).encode()) if found.get("waiting") else None
        findings = {name: Finding(**finding) for name, finding in found.get("findings", {}).items()}
        return cls.model_construct(waiting=waiting, checked=found.get("checked", ""), findings=findings)

    def with_finding(self, finding: Finding) -> "Head":
        """Return the head with what a check said; what is said about a commit that was replaced leaves it as it is."""
        if self.waiting is not None and self.waiting.commit != finding.commit:
            return self
        former = self.findings if self.checked == finding.commit else {}
        return Head(waiting=self.waiting, checked=finding.commit, findings={**former, finding.check: finding})


class Standing:
    """Candidates and findings of one warehouse."""

    def __init__(self, blobs: Blobs, live: Manifests, tombstones: Tombstones, trust_s: float = 0.0) -> None:
        self._blobs = blobs
        self._live = live
        self._tombstones = tombstones
        self._heads = Records(blobs, self._parse, self._damaged, trust_s, Head.trusted)

    def candidate(self, asset: str, partition: str) -> Manifest | None:
        """Return the commit that waits for its checks; None when the live one is the last.

        Raises:
            StoreError: the record is damaged.
        """
        head = self._heads.get(layout.head_file(asset, partition))
        if head is None or head.waiting is None:
            return None
        live = self._live.get(asset, partition)
        return None if live and live.commit == head.waiting.commit else head.waiting

    def latest(self, asset: str, partition: str) -> Manifest | None:
        """Return the last commit, good or not."""
        return self.candidate(asset, partition) or self._live.get(asset, partition)

    def each(self, asset: str) -> Iterator[tuple[str, tuple[Manifest, dict[str, Finding]] | StoreError]]:
        """Yield the last commit of each partition of an asset and what checks said of it, or what is wrong with it."""
        heads = dict(self._heads.all(f"{layout.HEADS}/{layout.checked_key(asset, 'asset')}"))
        live = dict(self._live.each(asset))
        for partition in sorted(heads.keys() | live.keys()):
            now, head = live.get(partition), heads.get(partition)
            if isinstance(head, StoreError) or isinstance(now, StoreError):
                yield partition, head if isinstance(head, StoreError) else StoreError(str(now))
                continue
            last = head.waiting if head and head.waiting else now
            if last is not None:
                yield partition, (last, head.findings if head and head.checked == last.commit else {})

    def files(self) -> set[str]:
        """Return the files that candidates name."""
        return {version.file for manifest in self._waiting() for version in manifest.tables.values()}

    def _waiting(self) -> Iterator[Manifest]:
        for asset in self._blobs.names(layout.HEADS):
            for _, head in self._heads.all(f"{layout.HEADS}/{asset}"):
                if isinstance(head, Head) and head.waiting:
                    yield head.waiting

    def put(self, manifest: Manifest, *, awaits_checks: bool, refuse: Callable[[Manifest | None], None] | None) -> None:
        """Make a manifest the last commit of its partition: its candidate, or live at once.

        Args:
            manifest: the commit.
            awaits_checks: whether it becomes live by `conclude` only.
            refuse: raises when the commit that is the last now is not to be replaced.

        Raises:
            StoreError: the place is full or not writable, or `refuse` raised.
        """
        asset, partition = manifest.asset, manifest.partition
        for _ in range(ATTEMPTS):
            head, head_tag = self._head_or_none(asset, partition)
            live, live_tag = self._live_or_none(asset, partition)
            waiting = head.waiting if head else None
            if refuse:
                refuse(live if waiting is None or (live and live.commit == waiting.commit) else waiting)
            if awaits_checks:
                done = self._put_head(asset, partition, Head(waiting=manifest, checked=manifest.commit), head_tag)
            else:
                done = self._live.put_if(manifest, live_tag)
                if done and waiting:
                    self._put_head(asset, partition, Head(checked=manifest.commit), head_tag)
            if done:
                replaced = waiting if awaits_checks else live
                self._tombstones.bury(_files(replaced) - _files(manifest) - _files(live if awaits_checks else None))
                return
        raise StoreError(f"{asset}[{partition}] is changed by others all the time: it was not written.")

    def refuse_changed(self, read: Iterable[Manifest], asset: str, partition: str) -> None:
        """Raise when other rows are live now where a writer of a partition has read.

        A change between this look and the commit is as one that came right after it: the commit names what it was
        made from, and is out of date.

        Raises:
            CommitRefusedError: says which partition has changed, and by whom.
        """
        for one in read:
            now, _ = self._live_or_none(one.asset, one.partition)
            if now is None or now.version != one.version:
                by = f"made anew by run {now.run_id or 'unknown'} at {now.written_at}" if now else "removed"
                raise CommitRefusedError(
                    f"{asset}[{partition}] was not committed: {one.asset}[{one.partition}], which it was made from, "
                    f"was {by} since this run began. What is there stays; materialise again."
                )

    def record(self, asset: str, partition: str, finding: Finding) -> None:
        """Keep what a check said about the last commit; it replaces what the same check said before."""
        self._add(asset, partition, finding)

    def findings(self, manifest: Manifest) -> dict[str, Finding]:
        """Return check name -> what it said about a commit; empty when that is not the last, or nothing can be read."""
        try:
            head = self._heads.get(layout.head_file(manifest.asset, manifest.partition))
        except StoreError:
            return {}  # the checks are run again
        return head.findings if head and head.checked == manifest.commit else {}

    def conclude(self, manifest: Manifest, finding: Finding, required: Iterable[str]) -> bool:
        """Keep what a check said about a commit, and make it live if it waited for that alone; tell whether it did.

        Raises:
            StoreError: the place is not writable.
        """
        head, tag = self._add(manifest.asset, manifest.partition, finding)
        return self._promote(manifest, required, head, tag)

    def _promote(self, manifest: Manifest, required: Iterable[str], head: Head | None, tag: str | None) -> bool:
        waits = head is not None and head.waiting is not None and head.waiting.commit == manifest.commit
        if head is None or not waits or head.checked != manifest.commit:
            return False
        if not all(name in head.findings and head.findings[name].passed for name in required):
            return False
        live, live_tag = self._live_or_none(manifest.asset, manifest.partition)
        if live and live.commit == manifest.commit:
            return False  # by another check of this commit, at this moment
        if not self._live.put_if(manifest, live_tag):
            return False
        self._put_head(manifest.asset, manifest.partition, head.model_copy(update={"waiting": None}), tag)
        self._tombstones.bury(_files(live) - _files(manifest))
        return True

    def sign(self, manifest: Manifest) -> None:
        """Replace the live manifest of a partition by one with the same tables and another fingerprint."""
        for _ in range(ATTEMPTS):
            if self._live.put_if(manifest, self._live.tag(manifest.asset, manifest.partition)):
                return

    def retire(self, asset: str, partition: str) -> bool:
        """Take a partition out of what is live, with its candidate; tell whether there was one. Pins keep its files."""
        there, _ = self._live_or_none(asset, partition)
        self._heads.remove(layout.head_file(asset, partition))
        self._live.remove(asset, partition)
        self._tombstones.bury(_files(there))
        return there is not None

    def _add(self, asset: str, partition: str, finding: Finding) -> tuple[Head | None, str | None]:
        for attempt in range(ATTEMPTS):
            # What was seen last will do for the first try: the condition tells when it is no longer there.
            head, tag = self._head_or_none(asset, partition, last_seen=attempt == 0)
            added = (head or Head()).with_finding(finding)
            if added == head:
                if attempt == 0:
                    continue
                return head, tag
            written = self._put_head(asset, partition, added, tag)
            if written:
                return added, written
        raise StoreError(f"What {finding.check} said about {asset}[{partition}] could not be kept: run it again.")

    def _put_head(self, asset: str, partition: str, head: Head, tag: str | None) -> str | None:
        text = (json.dumps(head.model_dump(), indent=1) + "\n").encode()
        return self._heads.put_if(layout.head_file(asset, partition), head, text, tag)

    def _head_or_none(self, asset: str, partition: str, *, last_seen: bool = False) -> tuple[Head | None, str | None]:
        """Return a head and its tag; a damaged one is mended by replacing it."""
        name = layout.head_file(asset, partition)
        try:
            return self._heads.last_seen(name) if last_seen else self._heads.tagged(name)
        except StoreError:
            return None, self._heads.tag(name)

    def _live_or_none(self, asset: str, partition: str) -> tuple[Manifest | None, str | None]:
        """Return what is live and its tag; a damaged manifest is mended by replacing it."""
        try:
            return self._live.tagged(asset, partition)
        except StoreError:
            return None, self._live.tag(asset, partition)

    def _parse(self, name: str, data: bytes) -> Head:
        return parsed(Head, data, lambda why: self._damaged(name, why))

    def _damaged(self, name: str, why: str) -> StoreError:
        return StoreError(
            f"The record {self._blobs.where(name)} is damaged ({why}): remove the file and materialise the partition "
            "again; no other partition is affected."
        )


def refusal(expected: Manifest | None, asset: str, partition: str) -> Callable[[Manifest | None], None]:
    """Return what raises `CommitRefusedError` when the last commit of a partition is not the expected one."""

    def refuse(now: Manifest | None) -> None:
        if (now.commit if now else None) != (expected.commit if expected else None):
            by = f"run {now.run_id or 'unknown'} at {now.written_at}" if now else "it was removed"
            raise CommitRefusedError(
                f"{asset}[{partition}] was changed by another since this run began ({by}). What is there stays; "
                "materialise again if it is not what you want."
            )

    return refuse


def _files(manifest: Manifest | None) -> set[str]:
    return {version.file for version in manifest.tables.values()} if manifest else set()


def failed_checks(findings: Iterable[Finding]) -> str:
    """Return in words which blocking checks failed, with the first reason; empty when none did."""
    failed = [finding for finding in findings if finding.blocking and not finding.passed]
    if not failed:
        return ""
    told = f": {failed[0].told}" if failed[0].told else ""
    return f"the check(s) {', '.join(finding.check for finding in failed)} failed{told}"
