"""How many cores a control group grants, from files as the kernel writes them."""

from pathlib import Path

import pytest

from codeio_assets.sandbox.cores import cpu_quota, usable_cores


def files(root: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


POD = "kubepods/burstable/pod1"
V1 = {"cpu,cpuacct/docker/ab/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/docker/ab/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "contents", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),  # in a container: its group is the mount
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),  # the root group of a machine has no such file
        (f"0::/{POD}\n", {f"{POD}/cpu.max": "max 100000\n", "kubepods/cpu.max": "400000 100000\n"}, 4.0),
        (f"0::/{POD}\n", {f"{POD}/cpu.max": "200000 100000\n", "kubepods/cpu.max": "400000 100000\n"}, 2.0),
        ("0::/gone/elsewhere\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n0::/\n", V1, 0.5),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/../../outside\n", {"cpu.max": "100000 100000\n"}, 1.0),
    ],
)
def test_the_least_quota_above_a_process_counts(
    tmp_path: Path, groups: str, contents: dict[str, str], expected: float | None
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    assert cpu_quota(tmp_path / "cgroup", files(tmp_path / "mount", contents)) == expected


def test_no_more_than_the_quota_and_at_least_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    unlimited = usable_cores(tmp_path / "cgroup", tmp_path / "none")
    assert unlimited >= 1
    assert usable_cores(tmp_path / "gone", tmp_path / "none") == unlimited
    assert usable_cores(tmp_path / "cgroup", files(tmp_path / "mount", {"cpu.max": "20000 100000"})) == 1
    assert usable_cores(tmp_path / "cgroup", files(tmp_path / "mount", {"cpu.max": "99900000 100000"})) == unlimited
