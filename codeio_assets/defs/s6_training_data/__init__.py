"""Stage s6_training_data."""
