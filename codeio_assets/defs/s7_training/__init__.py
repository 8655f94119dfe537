"""Definitions of s7_training."""
