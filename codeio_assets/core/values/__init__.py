"""Values: canonical JSON, literals, comparison and complexity. No rule of the method lives here."""
