"""How a run ends that is told to stop, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import os, signal, sys
import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers
from codeio_assets.running.retries import stopping_executor

@dg.op
def first():
    return 1

@dg.op
def second(value):
    print("second")

@dg.job(executor_def=stopping_executor)
def two():
    second(first())

setup_interrupt_handlers()
instance = dg.DagsterInstance.local_temp(sys.argv[1])
run = instance.create_run_for_job(two)
with capture_interrupts():
    for event in execute_run_iterator(InMemoryJob(two), run, instance):
        if event.event_type_value == "STEP_SUCCESS" and sys.argv[2] == "stop":
            os.kill(os.getpid(), signal.SIGTERM)
print(instance.get_run_by_id(run.run_id).status.value)
"""


@pytest.mark.parametrize(("what", "told"), [("stop", ["CANCELED"]), ("go on", ["second", "SUCCESS"])])
def test_a_run_that_is_told_to_stop_between_two_steps_ends_as_canceled(
    tmp_path: Path, what: str, told: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path), what], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == told, done.stderr[-3000:]
