"""Checks of what is committed: schemas, SQL rules, and what takes reading or executing."""
