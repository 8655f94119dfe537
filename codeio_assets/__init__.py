"""CodeI/O as Dagster assets: raw code to verified reasoning data and trained checkpoints (arXiv 2502.07316)."""
