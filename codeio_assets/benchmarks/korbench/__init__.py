"""KOR-Bench: its items and figure, and its rules of comparison."""
