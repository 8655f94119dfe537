"""Whether a commit is good: what its checks said, and the commits that wait for them.

A commit whose blocking checks have not all passed is a candidate: it stands beside the live manifest, and only checks
read it. It becomes live when they pass, so that what fails is never built upon and the last good version stays.
What does not live here: which checks there are (`checks`), writing tables (`warehouse`).
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from codeio_assets.store import layout
from codeio_assets.store.blobs import Blobs
from codeio_assets.store.errors import StoreError
from codeio_assets.store.manifests import Manifest, ManifestReader


class CommitRefusedError(StoreError):
    """Another run committed the partition since this one began."""


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


class Standing:
    """Candidates and findings of one warehouse."""

    def __init__(self, blobs: Blobs, live: ManifestReader) -> None:
        self._blobs = blobs
        self._live = live
        self._candidates = ManifestReader(blobs, layout.CANDIDATES)

    def candidate(self, asset: str, partition: str) -> Manifest | None:
        """Return the commit that waits for its checks; None when the live one is the last.

        Raises:
            StoreError: the manifest is damaged.
        """
        waiting = self._candidates.get(asset, partition)
        if waiting is None:
            return None
        live = self._live.get(asset, partition)
        return None if live and live.commit == waiting.commit else waiting

    def latest(self, asset: str, partition: str) -> Manifest | None:
        """Return the last commit, good or not."""
        return self.candidate(asset, partition) or self._live.get(asset, partition)

    def waiting(self, asset: str) -> list[Manifest]:
        """Return the candidates of an asset, sorted by partition."""
        found = (self.candidate(asset, partition) for partition in self._candidates.partitions(asset))
        return [manifest for manifest in found if manifest]

    def files(self) -> set[str]:
        """Return the files that candidates name."""
        manifests = (manifest for asset in self._candidates.assets() for manifest in self.waiting(asset))
        return {version.file for manifest in manifests for version in manifest.tables.values()}

    def refuse_other_than(self, expected: Manifest | None, asset: str, partition: str) -> None:
        """Raise when the last commit of a partition is not the expected one.

        Raises:
            CommitRefusedError: it is not.
        """
        now = self.latest(asset, partition)
        if (now.commit if now else None) != (expected.commit if expected else None):
            by = f"run {now.run_id or 'unknown'} at {now.written_at}" if now else "it was removed"
            raise CommitRefusedError(
                f"{asset}[{partition}] was changed by another since this run began ({by}). What is there stays; "
                "materialise again if it is not what you want."
            )

    def put(self, manifest: Manifest) -> None:
        """Store a commit as the candidate of its partition, in place of an earlier one."""
        self._blobs.put(self._file(manifest.asset, manifest.partition), manifest.to_json())

    def withdraw(self, asset: str, partition: str) -> None:
        """Remove the candidate of a partition, if there is one."""
        self._blobs.remove(self._file(asset, partition))

    def record(self, asset: str, partition: str, finding: Finding) -> None:
        """Keep what a check said; it replaces what the same check said before."""
        name = f"{layout.findings_folder(asset, partition)}/{layout.checked_key(finding.check, 'check')}.json"
        self._blobs.put(name, (json.dumps(asdict(finding), indent=1) + "\n").encode())

    def findings(self, manifest: Manifest) -> dict[str, Finding]:
        """Return check name -> what it said about a commit; what was said about others, or is damaged, is left out."""
        folder = layout.findings_folder(manifest.asset, manifest.partition)
        found: dict[str, Finding] = {}
        for name in self._blobs.names(folder):
            try:
                finding = Finding(**json.loads(self._blobs.read(f"{folder}/{name}")))
            except (OSError, ValueError, TypeError):
                continue  # the check is run again
            if finding.commit == manifest.commit:
                found[finding.check] = finding
        return found

    def promote(self, manifest: Manifest, required: Iterable[str]) -> bool:
        """Make a candidate live when the required checks have passed on it; tell whether it is live now.

        Raises:
            StoreError: the place is not writable.
        """
        findings = self.findings(manifest)
        if not all(name in findings and findings[name].passed for name in required):
            return False
        with self._blobs.locked(layout.lock_file(manifest.asset, manifest.partition)):
            waiting = self.candidate(manifest.asset, manifest.partition)
            if waiting is None or waiting.commit != manifest.commit:
                live = self._live.get(manifest.asset, manifest.partition)
                return bool(live and live.commit == manifest.commit)
            self.spare(self._live.get(manifest.asset, manifest.partition))
            self._blobs.put(layout.manifest_file(manifest.asset, manifest.partition), manifest.to_json())
            self.withdraw(manifest.asset, manifest.partition)
        return True

    def sign(self, manifest: Manifest) -> None:
        """Replace the live manifest of a partition by one with the same tables and another fingerprint."""
        with self._blobs.locked(layout.lock_file(manifest.asset, manifest.partition)):
            self._blobs.put(layout.manifest_file(manifest.asset, manifest.partition), manifest.to_json())

    def spare(self, replaced: Manifest | None) -> None:
        """Start the grace period of the versions that are about to be replaced."""
        for version in replaced.tables.values() if replaced else ():
            self._blobs.touch(version.file)

    def retire(self, asset: str, partition: str) -> bool:
        """Take a partition out of what is live, with its candidate; tell whether there was one. Pins keep its files."""
        with self._blobs.locked(layout.lock_file(asset, partition)):
            there = self._live.get(asset, partition)
            self.spare(there)
            self._blobs.remove(layout.manifest_file(asset, partition))
            self.forget(asset, partition)
        return there is not None

    def forget(self, asset: str, partition: str) -> None:
        """Remove the candidate and the findings of a partition."""
        self.withdraw(asset, partition)
        folder = layout.findings_folder(asset, partition)
        for name in self._blobs.names(folder):
            self._blobs.remove(f"{folder}/{name}")

    def _file(self, asset: str, partition: str) -> str:
        return layout.manifest_file(asset, partition, layout.CANDIDATES)


def failed_checks(findings: Iterable[Finding]) -> str:
    """Return in words which blocking checks failed, with the first reason; empty when none did."""
    failed = [finding for finding in findings if finding.blocking and not finding.passed]
    if not failed:
        return ""
    told = f": {failed[0].told}" if failed[0].told else ""
    return f"the check(s) {', '.join(finding.check for finding in failed)} failed{told}"
