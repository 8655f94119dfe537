"""Definitions of s8_benchmarks."""
