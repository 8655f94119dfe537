"""Stage s5_revision."""
