"""Definitions of s1_raw_code."""
