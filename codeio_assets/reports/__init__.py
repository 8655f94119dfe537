"""The quality report: the queries of `sql/reports`, run and written as one self-contained HTML file."""

from codeio_assets.reports.queries import Reported
from codeio_assets.reports.report import build_report, build_shard_report

__all__ = ["Reported", "build_report", "build_shard_report"]
