"""What `codeio check-isolation` says of this machine."""

import pytest

from codeio_assets.sandbox import SandboxUnavailable, bubblewrap, guarantees
from codeio_assets.sandbox.guarantees import PROBES, check


def test_every_guarantee_is_tried_and_those_of_every_machine_hold() -> None:
    try:
        found = {guarantee.name: guarantee for guarantee in check()}
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    assert len(found) == len(PROBES) + 3
    assert not [found[name] for name in PROBES if not found[name].holds]
    assert all(guarantee.detail for guarantee in found.values() if not guarantee.holds)


def test_root_that_cannot_choose_a_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bubblewrap, "host_user", lambda: None)
    assert not guarantees._user().holds  # pyright: ignore[reportPrivateUsage]


def test_without_bubblewrap_there_is_nothing_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailable, match="bubblewrap"):
        list(check())
