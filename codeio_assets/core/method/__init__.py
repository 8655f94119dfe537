"""The rules of the method in the paper's order, as pure functions: raw code to training sample."""
