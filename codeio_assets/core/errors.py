"""Errors that belong to no engine, and that the command line tells in one line."""


class MaterialisationFailed(Exception):  # noqa: N818
    """A step or a blocking check failed; the message says which, where and why."""


class NotReadyError(Exception):
    """What a step needs has no good version; the message says what to do."""


class UndeclaredReadError(Exception):
    """A step or check reads a table that it does not declare: a defect of ours, never of the data."""
