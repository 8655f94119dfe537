"""Stage s2_functions."""
