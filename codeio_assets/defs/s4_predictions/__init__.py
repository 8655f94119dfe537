"""Definitions of s4_predictions."""
