"""The training script where processes on CPUs are sharded as those on GPUs are; started by `test_sharding`.

accelerate 1.15 turns FSDP on for kinds of processes that have accelerators, and silently falls back to DDP on CPUs.
torch shards on CPUs just as well, so here they pass for the former. Delete when accelerate does it by itself.
"""

import sys
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType

initialise = state.PartialState.__init__


def passing_for_gpus(self: Any, cpu: bool = False, **options: Any) -> None:
    initialise(self, cpu, **options)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


state.PartialState.__init__ = passing_for_gpus

if __name__ == "__main__":
    from codeio_assets.training.process import saving
    from codeio_assets.training.process.sft import main

    saving.MAX_FILE_BYTES = 100_000  # so that the tiny model takes several files

    sys.exit(main())
