"""JSON values: reading them from strangers, their one text, their comparison and their size."""
