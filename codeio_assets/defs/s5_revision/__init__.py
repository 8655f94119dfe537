"""Definitions of s5_revision."""
