"""Definitions of s9_reports."""
