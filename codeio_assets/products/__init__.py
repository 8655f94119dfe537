"""What people take out of the tables: exports, estimates, differences, traces, the status."""
