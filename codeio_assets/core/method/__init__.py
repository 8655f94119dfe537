"""The rules of the method in the paper's order, as pure functions: raw code to training sample.

More modules than a room usually has: each is one rule of the paper, or one of ours, and none knows the others' tables.
"""
