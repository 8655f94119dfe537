"""Stage s7_training."""
