"""The one error of the store's boundary."""


class StoreError(Exception):
    """A read or a commit could not be done. The message names the file or column and says what to do.

    Whatever was committed before is still there and whole.
    """
