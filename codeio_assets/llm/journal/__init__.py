"""The journal: every response of a model, durable when it arrives, found again by its request."""
