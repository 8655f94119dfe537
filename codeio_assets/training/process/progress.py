"""What a running job tells: one message per step and evaluation, and marks that a saved state is complete.

What lives here: the trainer callback. What does not: where messages go (`training.reporting`).
"""

# accelerate has no stubs:
# pyright: reportMissingTypeStubs=false

import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from codeio_assets.training.checkpoint import COMPLETE_FILE
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.flops import Work, mfu
from codeio_assets.training.reporting import Report


def peak_memory_bytes() -> int:
    """Return the most memory this process has held: on the GPU if it uses one, else in RAM."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


class Progress(TrainerCallback):
    """Reports steps and evaluations, adds speed and memory to the log, and stops at a loss that is no number."""

    def __init__(self, report: Report, work: Work | None = None, devices: int = 1):
        self.report = report
        self.work = work
        self.devices = devices
        self.started = self.last_time = time.monotonic()
        self.first_tokens = self.last_tokens = 0
        self.first_step = 0

    @property
    def wall_time_s(self) -> float:
        """Seconds of training by this process, between its first and its last step."""
        return self.last_time - self.started

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second that this process has trained on, evaluation left out."""
        return (self.last_tokens - self.first_tokens) / self.wall_time_s if self.wall_time_s > 0 else 0.0

    def mfu(self, tokens_per_s: float) -> float | None:
        """Return the share of the GPUs' arithmetic that a speed is (`flops`), or None where that is not known."""
        if self.work is None or not torch.cuda.is_available():
            return None
        share = mfu(self.work, tokens_per_s, torch.cuda.get_device_name(), self.devices)
        return None if share is None else round(share, 4)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Start the clock where training starts or resumes."""
        self.first_step = state.global_step
        self.first_tokens = self.last_tokens = int(state.num_input_tokens_seen)
        self._restart_clock()

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Leave the evaluation at the start out of the first step's time."""
        if state.global_step == self.first_step:
            self._restart_clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Report one logged step or evaluation.

        Raises:
            TrainingError: the loss or the gradient is not a number any more.
        """
        logs = logs or {}
        if "loss" in logs:
            self._step(state, logs)
        elif "eval_loss" in logs and state.is_world_process_zero:
            when = "before" if state.global_step == 0 else "after"
            loss = logs["eval_loss"]
            self.report({"kind": "evaluation", "when": when, "step": state.global_step, "loss": loss})

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Mark the checkpoint just written as complete; only such a checkpoint is resumed.

        Each process writes a part of it, so all are waited for.
        """
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / COMPLETE_FILE).touch()

    def _restart_clock(self) -> None:
        self.started = self.last_time = time.monotonic()

    def _step(self, state: TrainerState, logs: dict[str, float]) -> None:
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingError(
                    f"{name} is {logs[name]} at step {state.global_step}. Lower the learning rate, or look for "
                    f"broken samples; the last complete checkpoint is kept."
                )
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        seconds = max(now - self.last_time, 1e-9)
        left = (state.max_steps - state.global_step) * (now - self.started)
        tokens_per_s = (tokens - self.last_tokens) / seconds
        speed: dict[str, float] = {
            "tokens_per_s": round(tokens_per_s, 1),
            "tokens_per_s_per_device": round(tokens_per_s / self.devices, 1),
            "memory_bytes": peak_memory_bytes(),
        }
        share = self.mfu(tokens_per_s)
        if share is not None:
            speed["mfu"] = share
        self.last_time, self.last_tokens = now, tokens
        state.log_history[-1].update(speed)
        if not state.is_world_process_zero:
            return
        message = {
            "kind": "step",
            "step": state.global_step,
            "max_steps": state.max_steps,
            "loss": logs["loss"],
            "learning_rate": logs.get("learning_rate"),
            "grad_norm": logs.get("grad_norm"),
            **speed,
            "step_s": round(seconds, 3),
            "eta_s": round(left / max(1, state.global_step - self.first_step), 1),
        }
        self.report(message)
