"""One judge for the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from codeio_assets.rewards import RewardJudge
from codeio_assets.sandbox import Limits, SandboxUnavailable

CODE = """
def main_solution(n, words=None):
    if n > 1_000:
        while True:
            n += 1
    if n < 0:
        raise ValueError("negative")
    return {"double": 2 * n, "words": sorted(words or [])}
"""


@pytest.fixture(scope="session")
def judge() -> Iterator[RewardJudge]:
    """A judge with two workers and little CPU time per call."""
    try:
        opened = RewardJudge(limits=Limits(cpu_s=1.0, wall_s=20.0, memory_mib=256), workers=2, queue=8)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened
