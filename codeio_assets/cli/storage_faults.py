"""Full and read-only disks, wherever they strike: one line in place of a traceback.

What lives here: telling such an error apart, also when Dagster's storage, DuckDB or Polars wraps it.
What does not: errors that the store words itself (`store.blobs`).
"""

import errno
import re
from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL_WORDS = re.compile(r"no space left|disk is full|disk quota exceeded|no room to write", re.IGNORECASE)
_READ_ONLY_WORDS = re.compile(
    r"read-?only (file system|database)|permission denied|unable to open database file", re.IGNORECASE
)
FULL_ADVICE = "make room (`codeio gc` removes replaced versions of tables) and run it again"
READ_ONLY_ADVICE = "make the place writable for you, or set CODEIO_HOME to one that is"


def storage_fault(error: BaseException) -> str | None:
    """Return one line about the disk that an error is about, None when it is about something else."""
    for one in chain(error):
        words = " ".join(str(one).split())
        number, where = None, ""
        if isinstance(one, OSError):
            number, place = one.errno, one.filename2 or one.filename
            words, where = one.strerror or words, f" ({place})" if place else ""
        if number in FULL or (number is None and _FULL_WORDS.search(words)):
            return f"the disk is full{where}: {FULL_ADVICE}. What was committed before stays"
        if number in READ_ONLY or (number is None and _READ_ONLY_WORDS.search(words)):
            return f"cannot write{where}: the place is read-only or not yours; {READ_ONLY_ADVICE}"
        if number is not None and not isinstance(one, ConnectionError | TimeoutError):
            return f"{words}{where}"
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what was behind it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
