"""One sandbox for the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from codeio_assets.sandbox import Limits, SandboxUnavailable, open_sandbox
from codeio_assets.sandbox.pool import WorkerPool

SMALL = Limits(cpu_s=0.4, wall_s=1.5, memory_mib=64, output_bytes=20_000, scratch_mib=4)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[WorkerPool]:
    try:
        opened = open_sandbox(SMALL, workers=1)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened


@pytest.fixture(scope="session")
def roomy_sandbox() -> Iterator[WorkerPool]:
    try:
        opened = open_sandbox(Limits(), workers=2)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened
