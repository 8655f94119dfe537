"""Definitions of s8_reports."""
