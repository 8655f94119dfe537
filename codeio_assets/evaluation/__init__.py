"""The engine of evaluation: asking benchmarks' questions, scoring answers, leakage, and the table of results."""
