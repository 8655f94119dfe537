"""A project as the release 0.1.0 left it (`codeio_assets_tests/fixtures`), unpacked somewhere else."""

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

PACKED = Path(__file__).resolve().parents[1] / "fixtures" / "project_0_1_0.tar.gz"


@dataclass(frozen=True)
class OlderProject:
    """The folder of a project that an earlier release made."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "var"

    def codeio(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of today on it. No server can answer: codeio.yaml names a port where nothing listens."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_"))}
        own = {"CODEIO_PROJECT": str(self.root), "CODEIO_HOME": str(self.home)}
        return subprocess.run(
            [str(Path(sys.executable).with_name("codeio")), *arguments],
            env={**clean, **own}, cwd=self.root, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip

    def written(self) -> dict[tuple[str, str], int]:
        """Return (table, partition) -> rows, as the manifests of that release say, read without our own code."""
        manifests = [json.loads(path.read_text("utf-8")) for path in self._manifests("*")]
        return {
            (name, manifest["partition"]): version["rows"]
            for manifest in manifests
            for name, version in manifest["tables"].items()
        }

    def forget(self, asset: str) -> None:
        """Take back an asset's commits, as if it had never been made."""
        for manifest in self._manifests(asset):
            manifest.unlink()

    def _manifests(self, asset: str) -> list[Path]:
        return sorted((self.home / "warehouse" / "manifests").glob(f"{asset}/*.json"))


def unpack(folder: Path) -> OlderProject:
    """Unpack the project into a folder."""
    with tarfile.open(PACKED) as archive:
        archive.extractall(folder, filter="data")
    return OlderProject(folder / "project")
