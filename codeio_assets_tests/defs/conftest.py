import os

os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
