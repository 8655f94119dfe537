"""Resources of the code location, by role."""

import dagster as dg

from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource
from codeio_assets.running.retries import stopping_executor

# A process per step would cost 3 CPU-seconds each, several times what a step of a small shard does; a run has a worker
# process of its own, and heavy work happens in the sandbox, the chat server, and the training process.
defs = dg.Definitions(
    executor=stopping_executor,
    resources={
        "project": ProjectResource(),
        "chat_server": ChatServerResource(),
        "sandbox": SandboxResource(),
    },
)
