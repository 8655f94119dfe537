"""s3: input/output pairs sampled by execution, and what the code does on the way from the one to the other."""

import dagster as dg

from codeio_assets.graph.steps import EXECUTION_TRACES, IO_PAIRS, spec
from codeio_assets.resources.engines import ProjectResource, SandboxResource
from codeio_assets.running.history import record_costs
from codeio_assets.running.step import begin
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.execution_traces import no_traces, trace_pairs
from codeio_assets.steps.io_pairs import sample_pairs
from codeio_assets.steps.step_questions import with_questions


@dg.asset(**spec(IO_PAIRS))
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
        with sandbox.open(uses.executed, step.workers) as box:
            tally = Tally(step.tell)
            result = sample_pairs(functions, box, uses.sampling, uses.pairs_per_function, tally)
        published = step.publish(result)
        record_costs(step, tally.slowest())
        return published


@dg.asset(**spec(EXECUTION_TRACES))
def execution_traces(
    context: dg.AssetExecutionContext, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per pair: what the reference code did from the input to the output, line by line.

    Key: `trace_id`. Empty unless `traces` in codeio.yaml is enabled. Traces are bounded, canonical, and the same bytes
    each time; a call that does not end within its limits when it is followed is a row of
    `execution_traces_rejections`. `step_questions` has questions about single steps, with their answers.
    """
    with begin(context, EXECUTION_TRACES, project) as step:
        functions, pairs, uses = step.read("unified_functions"), step.read("io_pairs"), step.uses
        if uses is None:
            return step.publish(with_questions(no_traces(), functions, pairs, None, 0))
        with sandbox.open(uses.executed, step.workers) as box:
            version, tally = uses.executed.python.minor, Tally(step.tell)
            result = trace_pairs(functions, pairs, box, python=version, bounds=uses.bounds, tally=tally)
        return step.publish(with_questions(result, functions, pairs, uses.prompt, uses.questions_per_kind))
