"""Dagster definitions only, one folder per stage in flow order. Every module here is imported at each load."""
