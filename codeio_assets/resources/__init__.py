"""Dagster resources: thin shells around the engines, named by role. A resource opens on use and closes with the run."""
