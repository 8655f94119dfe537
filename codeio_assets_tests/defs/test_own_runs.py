"""A command that is killed in a step holds a place in a pool, and the next command gets it."""

import datetime
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration

from codeio_assets.graph.run_tags import PROCESS_TAG
from codeio_assets.operating.own_runs import fail_dead_runs
from codeio_assets.project import INSTALLED_ROOT

SCRIPT = """
import sys, time
import dagster as dg
from codeio_assets.operating.own_runs import process_tags

@dg.asset(pool="sandbox")
def slow(context: dg.AssetExecutionContext) -> None:
    print("in the step", flush=True)
    time.sleep(float(sys.argv[1]))

with dg.DagsterInstance.get() as instance:
    job = dg.Definitions([slow], jobs=[dg.define_asset_job("slow_job", [slow])]).resolve_job_def("slow_job")
    job.execute_in_process(instance=instance, tags=process_tags())
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("concurrency: {pools: {default_limit: 1}}\ntelemetry: {enabled: false}\n")
    return tmp_path


def command(home: Path, seconds: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(seconds)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def wait_for_step(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"in the step\n"


def test_a_killed_command_does_not_hold_the_next_one_up(home: Path) -> None:
    with command(home, 600) as killed:
        wait_for_step(killed)
        os.kill(killed.pid, signal.SIGKILL)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        machine, _, began = run.tags[PROCESS_TAG].split(" ")
        used_again = f"{machine} {os.getpid()} {began}"  # its process id, had we been given it
        instance.add_run_tags(run.run_id, {PROCESS_TAG: used_again})
        assert instance.event_log_storage.get_concurrency_info("sandbox").active_slot_count == 1
        assert fail_dead_runs(instance) == [run.run_id]
        assert instance.get_runs()[0].status == dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.get_concurrency_info("sandbox").active_slot_count == 0
        assert fail_dead_runs(instance) == []
    with command(home, 0) as following:
        wait_for_step(following)


def test_a_command_that_runs_is_left_alone(home: Path) -> None:
    with command(home, 600) as running:
        wait_for_step(running)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert fail_dead_runs(instance) == []
            assert instance.get_runs()[0].status == dg.DagsterRunStatus.STARTED
        running.kill()


def test_the_daemon_frees_the_place_that_a_killed_run_worker_held(tmp_path: Path) -> None:
    """With the shipped dagster.yaml; the retry of the run would wait for it for ever otherwise."""
    shutil.copyfile(INSTALLED_ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
    with command(tmp_path, 600) as killed:
        wait_for_step(killed)
        os.kill(killed.pid, signal.SIGKILL)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
        instance.report_run_failed(run, "as run monitoring says of a worker that is gone")
        assert taken_after(0, instance) == 1
        assert taken_after(11, instance) == 0


def taken_after(seconds: int, instance: dg.DagsterInstance) -> int:
    """Return how many places of the pool are taken after the daemon's look at them, that long from now."""
    context: Any = SimpleNamespace(instance=instance)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    with freeze_time(later):
        list(execute_concurrency_slots_iteration(context, logging.getLogger("test"), None))
    return instance.event_log_storage.get_concurrency_info("sandbox").active_slot_count
