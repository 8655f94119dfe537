"""s3: input/output pairs sampled by execution."""

import dagster as dg

from codeio_assets.graph.steps import spec
from codeio_assets.resources.engines import ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.history import record_costs
from codeio_assets.running.progress import log_execution
from codeio_assets.running.publishing import Stopwatch, publish
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.io_pairs import Tally, sample_pairs


@dg.asset(**spec("io_pairs"), retry_policy=INFRASTRUCTURE)
def io_pairs(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per (function, distinct input): the input before the call and the output that it reproducibly gives.

    Key: `pair_id`. Values are canonical JSON within the paper's complexity rule; every pair gave the same output in a
    second process under another hash seed, clock and random state. Functions without enough such pairs, with one
    constant output, or unstable ones are rows of `io_pairs_rejections`. Source: CodeI/O, sec. 2.2 and appendix A.
    """
    watch, here = Stopwatch(), project.get()
    functions = warehouse.get().read("unified_functions", context.partition_key)
    caps = {name: source.pairs_per_function for name, source in here.sources.sources.items()}
    with failing_at_once(), sandbox.open() as box:
        result = sample_pairs(functions, box, here.settings.sampling, caps, Tally(log_execution(context)))
    published = publish(context, result, watch)
    record_costs(context.partition_key, result.info["slowest_functions"])
    return published
