"""vLLM servers that a step starts, watches, uses and stops."""
