"""Definitions of s9_benchmarks."""
