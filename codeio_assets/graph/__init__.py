"""Declaring: the steps, their partitions, metadata keys and what they need of a machine."""
