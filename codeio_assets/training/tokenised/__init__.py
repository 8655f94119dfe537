"""Rows as tokens, made once and off the GPU: rendered, tokenised, cut, packed, and kept as memory-mapped Arrow."""
