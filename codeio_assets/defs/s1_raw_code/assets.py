"""s1: raw code files of a shard, and those that can become functions."""

import dagster as dg

from codeio_assets.graph.steps import ELIGIBLE_CODE_FILES, FILE_LABELS, RAW_CODE_FILES, spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource
from codeio_assets.running.asking import asking
from codeio_assets.running.step import begin
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.file_labels import label_files, no_labels
from codeio_assets.steps.raw_code_files import ingest_shard


@dg.asset(**spec(RAW_CODE_FILES))
def raw_code_files(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per raw code file of a shard, as it stands in its source.

    Key: `file_id` (source, path and content). Licence, repository and path travel with the file to the training
    sample. Files that are not text, too large, broken or gone are rows of `raw_code_files_rejections`.
    """
    with begin(context, RAW_CODE_FILES, project) as step:
        shard = step.project.shards.load(step.partition)
        return step.publish(ingest_shard(shard, step.uses.reading, step.project.root, step.uses.taken_down))


@dg.asset(**spec(FILE_LABELS))
def file_labels(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult:
    """One row per raw file that a model was asked about: its category, and how often it completed a function of it.

    Key: `file_id`. Empty unless the source's filters in sources.yaml name `categories` or `difficulty`; completions
    are judged by execution. Nothing is dropped here. Source: CodeI/O, sec. 2.1 (PyEdu-R, CodeMix).
    """
    with begin(context, FILE_LABELS, project) as step:
        uses = step.uses
        if uses is None:
            return step.publish(no_labels())
        shard, raw_files = step.project.shards.load(step.partition), step.read("raw_code_files")
        with sandbox.open(uses.executed, step.workers) as box, asking(step, chat_server) as asked:
            result = label_files(
                raw_files, shard, uses.filters, asked.client, box, prompts=uses.prompts, python=uses.executed.python
            )
        return step.publish(result, asked.metadata)


@dg.asset(**spec(ELIGIBLE_CODE_FILES))
def eligible_code_files(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per raw file that can become a function: parses, has logic, has the right length, was not seen before.

    Key: `file_id`. What the source's filters drop (rules on the text, licence, copies, near-duplicates, labels) are
    rows of `eligible_code_files_rejections`; `near_duplicate_groups` has the group of every file.
    """
    with begin(context, ELIGIBLE_CODE_FILES, project) as step:
        shard = step.project.shards.load(step.partition)
        files, labels, uses = step.read("raw_code_files"), step.read("file_labels"), step.uses
        return step.publish(select_eligible(files, labels, shard, uses.filters, uses.python))
