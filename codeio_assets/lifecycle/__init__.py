"""What holds for every process of ours: what it starts ends with it, it hears signals, and it tells that it lives."""
