"""Stage s4_predictions."""
