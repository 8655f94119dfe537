"""Licences as hubs name them: the identifiers that a dataset card may hold, and what sources write for them.

What does not live here: which licences take part (`core.settings`), the card (`dataset_card`).
Source: the list of licences in the Hugging Face hub's documentation of repositories.
"""

import re

HUB_LICENSES = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "apple-amlr",
        "apple-ascl",
        "artistic-2.0",
        "bigcode-openrail-m",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "cdla-sharing-1.0",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "h-research",
        "intel-research",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "lgpl-lr",
        "llama2",
        "llama3",
        "lppl-1.3c",
        "mpl-2.0",
        "ms-pl",
        "ncsa",
        "odbl",
        "odc-by",
        "ofl-1.1",
        "openrail",
        "openrail++",
        "osl-3.0",
        "pddl",
        "postgresql",
        "unlicense",
        "wtfpl",
        "zlib",
        "mit",
        "unknown",
    ]
)
_OTHER_NAMES = {
    "apache": "apache-2.0", "apache2": "apache-2.0", "apache-2": "apache-2.0", "asl-2.0": "apache-2.0",
    "expat": "mit", "x11": "mit", "the-mit": "mit", "bsd-2": "bsd-2-clause", "simplified-bsd": "bsd-2-clause",
    "bsd-3": "bsd-3-clause", "new-bsd": "bsd-3-clause", "modified-bsd": "bsd-3-clause", "gplv2": "gpl-2.0",
    "gplv3": "gpl-3.0", "gpl-2": "gpl-2.0", "gpl-3": "gpl-3.0", "agplv3": "agpl-3.0", "agpl-3": "agpl-3.0",
    "lgplv3": "lgpl-3.0", "lgpl-3": "lgpl-3.0", "lgplv2.1": "lgpl-2.1", "mpl-2": "mpl-2.0", "mplv2": "mpl-2.0",
    "cc0": "cc0-1.0", "public-domain": "pddl", "boost-1.0": "bsl-1.0", "the-unlicense": "unlicense",
    "none": "unknown", "": "unknown", "noassertion": "unknown",
}  # fmt: skip


def hub_license(stated: str) -> str:
    """Return the identifier that a hub knows for a licence as a source states it, `other` when it knows none."""
    plain = re.sub(r"[\s_,]+", "-", stated.strip().lower())
    plain = re.sub(r"-(only|or-later)$|\+$", "", plain)
    plain = re.sub(r"(-software)?-licen[cs]e(?=-|$)", "", plain)
    plain = re.sub(r"-(version-|v\.?)(?=\d)", "-", plain)
    found = _OTHER_NAMES.get(plain, plain)
    return found if found in HUB_LICENSES else "other"


def card_licenses(stated: list[str]) -> tuple[list[str], list[str]]:
    """Return the hub's identifiers of some licences, and the words of those that it does not know; both sorted."""
    known = {hub_license(text) for text in stated} or {"unknown"}
    return sorted(known), sorted({text for text in stated if hub_license(text) == "other"})
