"""Stage s8_reports."""
