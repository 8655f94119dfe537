"""Stage s1_raw_code."""
