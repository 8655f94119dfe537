"""Reading a git repository at a revision: its files as items, with the licence that the repository states.

Files come out of git's own store, so that nothing is checked out and nothing of the repository runs; links and
submodules are items with a reason. A remote one is fetched, without its history, into a bare copy that is kept.
What does not live here: items (`reading`), which licences take part (settings).
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from codeio_assets.core.settings.project import Reading, SettingsError
from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.sources.reading import RawItem, read_bytes, too_large

LINK, SUBMODULE = "120000", "160000"
LICENSE_FILES = ("license", "license.txt", "license.md", "licence", "licence.txt", "licence.md", "copying", "copying.txt", "unlicense")  # noqa: E501  # fmt: skip
TEXTS = (
    ("apache-2.0", ("apache license", "version 2.0")),
    ("agpl-3.0", ("gnu affero general public license",)),
    ("lgpl-3.0", ("gnu lesser general public license", "version 3")),
    ("lgpl-2.1", ("gnu lesser general public license", "version 2.1")),
    ("gpl-3.0", ("gnu general public license", "version 3")),
    ("gpl-2.0", ("gnu general public license", "version 2")),
    ("mpl-2.0", ("mozilla public license", "2.0")),
    ("unlicense", ("this is free and unencumbered software",)),
    ("isc", ("permission to use, copy, modify, and/or distribute",)),
    ("bsd-3-clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("bsd-2-clause", ("redistribution and use in source and binary forms",)),
    ("mit", ("permission is hereby granted, free of charge", 'the software is provided "as is"')),
)
"""Licence -> words that its text has and no earlier one of the list; what is not recognised is not stated."""
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
HARMLESS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never")


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object_id: str
    size: int
    path: str


def read_repository(source: Reading, base: Path) -> Iterator[RawItem]:
    """Yield the files of a repository that its `glob` names, and its links and submodules with a reason.

    Reasons: `too_large`, `undecodable`, `not_followed`.

    Raises:
        SettingsError: there is no git, no such repository, or no such revision in it.
    """
    assert source.url is not None  # the settings have seen to it
    folder, commit = _opened(source.url, source.revision or "HEAD", base)
    entries = _entries(folder, commit)
    license_ = source.license or _license(folder, entries)
    stated = source.model_copy(
        update={"license": license_, "repository": source.repository or without_secrets(source.url)}
    )
    pattern = _pattern(source.glob)
    wanted = [entry for entry in entries if entry.mode == SUBMODULE or pattern.fullmatch(entry.path)]
    texts = _contents(folder, [entry for entry in wanted if _is_read(entry, source)])
    for entry in wanted:
        if entry.mode in {LINK, SUBMODULE}:
            what = "link" if entry.mode == LINK else "submodule"
            identity = sha256_hex(f"{entry.path}:{entry.object_id}")
            yield RawItem(entry.path, identity, identity, 0, reason="not_followed", detail=f"{entry.path} is a {what}")
        elif not _is_read(entry, source):
            yield too_large(entry.path, sha256_hex(entry.object_id), entry.size, stated)
        else:
            yield read_bytes(stated, entry.path, next(texts))


def _is_read(entry: _Entry, source: Reading) -> bool:
    return entry.mode not in {LINK, SUBMODULE} and entry.size <= source.max_bytes


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """Return what the paths match that a glob over the folder would find; `**` stands for any folders, or none."""
    parts = [part for part in glob.split("/") if part != "."]
    made = ["(?:[^/]+/)*" if part == "**" else f"(?:{_translated(part)})/" for part in parts]
    return re.compile("".join(made).removesuffix("/"))


def _translated(part: str) -> str:
    return part.replace(".", r"\.").replace("*", "[^/]*").replace("?", "[^/]")


def _opened(url: str, revision: str, base: Path) -> tuple[Path, str]:
    """Return the repository as a local folder, and the commit of the revision."""
    local = Path(url) if Path(url).is_absolute() else base / url
    if "://" not in url and not _is_scp(url):
        if not local.is_dir():
            raise SettingsError(f"the repository {local} does not exist. Correct `url` in sources.yaml.")
        return local, _commit(local, revision, url)
    folder = cache_folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:20]}.git"
    if not (folder / "HEAD").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _git(["init", "--bare", "--quiet", str(folder)], url)
    try:
        commit = _commit(folder, revision, url) if _is_hash(revision) else None
    except SettingsError:
        commit = None
    if commit is None:
        _git(["-C", str(folder), "fetch", "--quiet", "--depth", "1", "--no-tags", url, revision], url)
        commit = _commit(folder, "FETCH_HEAD", url)
    return folder, commit


def cache_folder() -> Path:
    """Return where copies of remote repositories are kept: `CODEIO_CACHE`, or the user's cache."""
    return Path(os.environ.get("CODEIO_CACHE") or Path.home() / ".cache" / "codeio") / "git"


def _is_scp(url: str) -> bool:
    head, colon, _ = url.partition(":")
    return bool(colon) and "/" not in head


def _is_hash(revision: str) -> bool:
    return len(revision) == 40 and not set(revision) - set("0123456789abcdef")


def _commit(folder: Path, revision: str, url: str) -> str:
    words = ["-C", str(folder), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        return _git(words, url).decode().strip()
    except SettingsError as error:
        raise SettingsError(f"the repository {without_secrets(url)} has no revision {revision!r}. {error}") from error


def _entries(folder: Path, commit: str) -> list[_Entry]:
    listed = _git(["-C", str(folder), "ls-tree", "-r", "-l", "-z", "--full-tree", commit], str(folder))
    entries: list[_Entry] = []
    for line in listed.split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, object_id, size = about.decode().split()
            entries.append(
                _Entry(mode, object_id, 0 if size == "-" else int(size), path.decode(errors="backslashreplace"))
            )
    return sorted(entries, key=lambda entry: entry.path)


def _contents(folder: Path, entries: Sequence[_Entry]) -> Iterator[bytes]:
    """Yield the contents of files, one at a time, from one process."""
    if not entries:
        return
    words = ["git", *HARMLESS, "-C", str(folder), "cat-file", "--batch"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | QUIET) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for entry in entries:
            process.stdin.write(f"{entry.object_id}\n".encode())
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) != 3:
                raise SettingsError(f"{folder}: the object of {entry.path} is missing. Run `git fsck` there.")
            data = process.stdout.read(int(head[2]) + 1)
            yield data[:-1]
        process.stdin.close()


def _license(folder: Path, entries: Sequence[_Entry]) -> str | None:
    """Return the licence that a file at the top states, None when there is none that is known."""
    found = [entry for entry in entries if entry.path.lower() in LICENSE_FILES and entry.mode not in {LINK, SUBMODULE}]
    for data in _contents(folder, [entry for entry in found if entry.size < 200_000]):
        if name := recognised(data.decode(errors="replace")):
            return name
    return None


def recognised(text: str) -> str | None:
    """Return the SPDX name of a licence by its text, in lower case; None when it is none that is known."""
    plain = " ".join(text.lower().replace("“", '"').replace("”", '"').split())
    return next((name for name, words in TEXTS if all(word in plain for word in words)), None)


def without_secrets(url: str) -> str:
    """Return an address without a user's name."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _git(words: Sequence[str], url: str) -> bytes:
    try:
        done = subprocess.run(["git", *HARMLESS, *words], capture_output=True, check=False, env=os.environ | QUIET)
    except FileNotFoundError as error:
        raise SettingsError("kind: git needs the program git: install the package `git`.") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        why = told[-1].removeprefix("fatal: ") if told else "it is not there"
        raise SettingsError(f"git cannot read {without_secrets(url)}: {why}")
    return done.stdout
