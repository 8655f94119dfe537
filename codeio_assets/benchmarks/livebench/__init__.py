"""LiveBench, releases of June and July 2024: twelve tasks with a scorer each, in three rooms and a table reader."""
