"""Values: JSON from outside, its canonical text, other notations, comparison, complexity. No rule of the method."""
