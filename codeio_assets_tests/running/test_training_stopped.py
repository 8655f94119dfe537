"""A training that is interrupted, or whose step is killed, ends with all its processes, and goes on from its state."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codeio_assets_tests.lifecycle.projects import all_gone, wait_until

TRAINER = """
import os, subprocess, sys, time
state, mark = sys.argv[1:3]
if mark == "launcher":  # as accelerate does: the training is a process of its own, and deaf to Ctrl-C
    sys.exit(subprocess.call([sys.executable, __file__, state, "worker"], start_new_session=True))
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
step = int(open(state).read()) if os.path.exists(state) else 0
print("begins at", step, flush=True)
while step < 2000:
    time.sleep(0.05)
    step += 1
    with open(state + ".new", "w") as file:
        file.write(str(step))
    os.replace(state + ".new", state)
"""
STEP = """
import sys
import dagster as dg
from codeio_assets.running.retries import ending_well
from codeio_assets.running.training import run_process

@dg.asset
def checkpoint(context: dg.AssetExecutionContext) -> None:
    with ending_well(context, tried_again=True):
        run_process(context, [sys.executable, *sys.argv[1:3], "launcher"], {}, sys.argv[3])

with dg.instance_for_test() as instance:
    result = dg.materialize([checkpoint], instance=instance, raise_on_error=False)
    (run,) = instance.get_runs()
    print("ended as", run.status.value, len([event for event in result.all_events if event.is_step_up_for_retry]))
    print(*[event.step_failure_data.error.message for event in result.all_events if event.is_step_failure])
"""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_an_interrupted_training_is_left_and_the_next_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    trainer, state = tmp_path / "trainer.py", tmp_path / "state"
    trainer.write_text(TRAINER)

    def steps() -> int:
        return int(state.read_text()) if state.exists() else 0

    for number in range(2):
        before = steps()
        command = [sys.executable, "-c", STEP, str(trainer), str(state), str(tmp_path / "out")]
        with (tmp_path / f"{number}.log").open("w") as log:
            running = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda before=before: steps() > before + 5)
        started = psutil.Process(running.pid).children(recursive=True)
        assert len(started) >= 3, "guard, launcher, worker"
        running.send_signal(how)
        running.wait(120)
        assert all_gone(started)
        said = (tmp_path / f"{number}.log").read_text()
        assert f"begins at {before}" in said
        if how != signal.SIGKILL:
            assert "ended as CANCELED 0" in said, said
            assert "training had made no step" in said
