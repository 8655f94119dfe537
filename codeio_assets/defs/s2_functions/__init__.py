"""Definitions of s2_functions."""
