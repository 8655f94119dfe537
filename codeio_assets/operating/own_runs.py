"""Runs that a command executes in its own process: marked with that process, and cleared when it was killed.

A killed process leaves its run as started and its places in pools taken, and every later run would wait for them: the
daemon, which clears such runs, is not there when a command runs alone.
"""

import os
import socket

import dagster as dg
import psutil

from codeio_assets.graph.run_tags import PROCESS_TAG

UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def process_tags() -> dict[str, str]:
    """Return the run tag that names this process: machine, process id, and when it began (ids are used again)."""
    return {PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time()}"}


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the unfinished runs of processes that are gone as failed, free their places, and return their ids."""
    dead: list[str] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        owner = run.tags.get(PROCESS_TAG)
        if owner and not _is_alive(owner):
            instance.report_run_failed(run, "The process that executed this run was killed; its work is done again.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead


def _is_alive(owner: str) -> bool:
    """Tell whether a process named by its tag may still run; of another machine we cannot know."""
    machine, pid, began = owner.split(" ")
    if machine != socket.gethostname():
        return True
    try:
        return psutil.Process(int(pid)).create_time() == float(began)
    except psutil.NoSuchProcess:
        return False
