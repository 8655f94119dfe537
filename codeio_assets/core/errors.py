"""Errors that cross layers."""


class MaterialisationFailed(Exception):  # noqa: N818
    """A run or one of its checks failed; the message names the run, the step and the cause."""
