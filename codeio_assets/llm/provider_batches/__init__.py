"""Asking through a provider's batch interface: files of requests, answered within hours."""
