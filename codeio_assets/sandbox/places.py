"""Where a program finds itself: what is the same on every machine of ours, and the other place that pairs must survive.

What lives here: host name, user, working directory, variables, locale and time zone, which a worker has from its start.
What does not: what Python's own functions say about machine and files (`inside.elsewhere`).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """What programs find around them. `zone` is what TZ would hold; without it, local time is UTC."""

    host_name: str
    user: int
    scratch: str
    locale: str
    variables: dict[str, str] = field(hash=False)
    zone: str | None = None


HERE = Place(
    host_name="sandbox",
    user=65534,
    scratch="/tmp",
    locale="C.UTF-8",
    variables={"USER": "user", "LOGNAME": "user", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
)
ELSEWHERE = Place(
    host_name="elsewhere",
    user=54321,
    scratch="/work",
    locale="C",
    variables={"USER": "other", "LOGNAME": "other", "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", "SHLVL": "1"},
    zone="NPT-5:45",
)
