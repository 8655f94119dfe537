from collections.abc import Iterator

import pytest

from codeio_assets.sandbox import Limits, Sandbox, SandboxUnavailable, open_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The real sandbox, with limits that a machine under load still keeps."""
    try:
        opened = open_sandbox(Limits(cpu_s=2.0, wall_s=20.0, memory_mib=256), workers=1)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened
