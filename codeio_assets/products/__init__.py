"""What people take out of the tables: exports, estimates, differences, traces, the status.

More modules than a room usually has: one per thing to take out, beside what the exports share.
"""
