"""s3: input/output pairs sampled by execution."""

import dagster as dg

from codeio_assets.graph.steps import IO_PAIRS, spec
from codeio_assets.resources.engines import ProjectResource, SandboxResource
from codeio_assets.running.history import record_costs
from codeio_assets.running.progress import log_execution
from codeio_assets.running.retries import INFRASTRUCTURE
from codeio_assets.running.step import begin
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.io_pairs import sample_pairs


@dg.asset(**spec(IO_PAIRS), retry_policy=INFRASTRUCTURE)
def io_pairs(
    context: dg.AssetExecutionContext, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per (function, distinct input): the input before the call and the output that it reproducibly gives.

    Key: `pair_id`. Values are canonical JSON within the paper's complexity rule; every pair gave the same output in a
    second process under another hash seed, clock and random state. Functions without enough such pairs, with one
    constant output, or unstable ones are rows of `io_pairs_rejections`. Source: CodeI/O, sec. 2.3 and appendix A.
    """
    with begin(context, IO_PAIRS, project) as step:
        functions, uses = step.read("unified_functions"), step.uses
        with sandbox.open(uses.limits, step.workers) as box:
            result = sample_pairs(functions, box, uses.sampling, uses.pairs_per_function, Tally(log_execution(context)))
        published = step.publish(result)
        record_costs(step, result.info["slowest_functions"])
        return published
