"""Asking running servers: endpoints, retries, fleets, and the loop that keeps them busy."""
