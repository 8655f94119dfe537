"""Operating a project: bringing everything up to date, status, alerts."""
