"""Room for connections: each takes an open file, and many systems let a process open 1,024.

What does not live here: the error when there is no room (`endpoint`).
"""

import resource

SPARE = 512
"""Files that the rest of the process may have open: the journal, tables, Dagster."""


def allow_connections(count: int) -> None:
    """Raise the soft limit of open files as far as `count` connections need it and the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE if hard == resource.RLIM_INFINITY else min(count + SPARE, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
