"""Definitions of s6_training_data."""
