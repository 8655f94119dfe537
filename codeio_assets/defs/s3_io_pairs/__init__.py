"""Definitions of s3_io_pairs."""
