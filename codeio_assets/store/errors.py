"""The one error of the store's boundary, and those of the libraries beneath it."""

import duckdb
import polars as pl


class StoreError(Exception):
    """A read or a commit could not be done. The message names the file or column and says what to do.

    Whatever was committed before is still there and whole.
    """


class NoRoomError(StoreError):
    """The disk, or what a user may take of it, is full."""


READ_ERRORS = (OSError, duckdb.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""Polars panics, beside every class of errors, on some damaged files."""
WRONG_QUERY = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)
"""The caller's fault, not that of a file."""
