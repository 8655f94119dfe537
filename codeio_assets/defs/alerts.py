"""Sensors that tell a webhook what failed; off unless `CODEIO_ALERT_WEBHOOK` is set where the code location runs."""

import dagster as dg

from codeio_assets.operating.alerts import alert, check_failures, run_failures
from codeio_assets.operating.webhook import webhook_url

ON_WHEN_SET = dg.DefaultSensorStatus.RUNNING if webhook_url() else dg.DefaultSensorStatus.STOPPED


@dg.sensor(minimum_interval_seconds=30, default_status=ON_WHEN_SET)
def failed_runs(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Post the runs that failed to the webhook in CODEIO_ALERT_WEBHOOK: job, partition, step, error, no secrets."""
    return alert(context, "failed runs", run_failures)


@dg.sensor(minimum_interval_seconds=30, default_status=ON_WHEN_SET)
def failed_checks(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Post the asset checks that failed to the webhook in CODEIO_ALERT_WEBHOOK: asset, check, partition, rows."""
    return alert(context, "failed checks", check_failures)


defs = dg.Definitions(sensors=[failed_runs, failed_checks])
