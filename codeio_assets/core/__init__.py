"""The pure half: rules of the method, without Dagster, torch, network, clock or global random state."""
