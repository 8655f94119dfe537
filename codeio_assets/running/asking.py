"""A step that asks a language model: the open client, its progress, and what it took, however the step ends.

What does not live here: opening clients (`llm.session`), counting (`llm.metering`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import Json, content_id
from codeio_assets.graph import metadata as keys
from codeio_assets.llm.metering import MeteredClient
from codeio_assets.llm.session import ChatSession
from codeio_assets.resources.engines import ChatServerResource
from codeio_assets.running.progress import report_progress
from codeio_assets.running.step import Begun

USAGE_TABLE = "model_usage"


class AskingConfig(dg.Config):
    """What the launchpad offers for a step that asks a model."""

    only_failed: bool = Field(
        default=False,
        description="Ask again only for requests that failed when this partition was last made; all other rows stay as "
        "they are.",
    )


@dataclass
class Asking:
    """A step's client; `metadata` is complete after the block."""

    client: MeteredClient
    metadata: dict[str, dg.MetadataValue] = field(default_factory=dict[str, dg.MetadataValue])


@contextmanager
def asking(step: Begun[Any], chat_server: ChatServerResource) -> Generator[Asking]:
    """Open the chat server for a step; record in `model_usage` what was paid, also when the step fails."""
    context = step.context
    run = context.run.root_run_id or context.run.run_id
    part = f"{step.step.asset}/{step.partition}"
    with chat_server.open(step.project, run, context.log.info, part) as session:
        open_step = Asking(MeteredClient(session.client, report_progress(context, step.step.asset)))
        try:
            yield open_step
        finally:
            record_usage(step, open_step.client)
            open_step.metadata |= usage_metadata(session, open_step.client)


def usage_metadata(session: ChatSession, client: MeteredClient) -> dict[str, dg.MetadataValue]:
    """Return what this run took, as metadata of its materialisation."""
    shown: dict[str, dg.MetadataValue] = {keys.MODEL_USAGE: dg.MetadataValue.json(client.usage.as_info())}
    shown[keys.COST] = dg.MetadataValue.float(round(client.usage.cost, 6))
    servers: dict[str, Json] = session.server_metrics()
    return shown | ({keys.SERVER_METRICS: dg.MetadataValue.json(servers)} if servers else {})


def record_usage(step: Begun[Any], client: MeteredClient) -> None:
    """Write one row of `model_usage` when something was sent, in a partition of the run's own."""
    usage = client.usage
    if not usage.tries:
        return
    asset, shard, run_id = step.step.asset, step.partition, step.context.run.run_id
    row = {
        "usage_id": content_id(run_id=run_id, asset=asset, shard=shard),
        "run_id": run_id,
        "asset": asset,
        "shard": shard,
        "model_id": client.model,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **usage.as_row(),
        "currency": step.project.settings.chat.currency,
    }
    tables = {USAGE_TABLE: frame(USAGE_TABLE, [row])}
    step.warehouse.write(USAGE_TABLE, f"{shard}.{asset}.{run_id[:8]}", tables, run_id=run_id)
