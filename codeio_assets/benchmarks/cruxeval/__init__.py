"""CRUXEval in both directions, and what they share."""
