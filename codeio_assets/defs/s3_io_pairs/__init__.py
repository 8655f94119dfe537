"""Stage s3_io_pairs."""
