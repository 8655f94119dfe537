"""Two-stage supervised fine-tuning with TRL, out of process; `contract` is all that Dagster needs to load."""
