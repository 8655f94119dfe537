"""LiveBench's language tasks: groups of four words (connections), sentences in order (plot_unscrambling), typos.

Each scorer returns (score, what was found).

Source: LiveBench/LiveBench (Apache-2.0), process_results/writing.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Final

from codeio_assets.benchmarks.livebench.edit_distance import edit_distance

GROUP: Final = 4
MAX_SENTENCES: Final = 300
MAX_SENTENCE_CHARS: Final = 2_000
_BOLD: Final = re.compile(r"\*\*(.*?)\*\*")


def connections(response: str, gold: str) -> tuple[float, str | None]:
    """Score the share of groups found, in the best of the bold lists."""
    lists = _BOLD.findall(response.replace("\n", ""))
    if not lists:
        return 0.0, None
    wanted = _groups(gold.split(","))
    found = [
        (sum(any(group <= other for other in _groups(each.split(","))) for group in wanted), each) for each in lists
    ]
    best, text = max(found, key=lambda pair: pair[0])
    return best / len(wanted), text


def _groups(words: Sequence[str]) -> list[set[str]]:
    """Return the words in groups of four different ones, in their order."""
    groups: list[set[str]] = [set()]
    for word in words:
        if len(groups[-1]) == GROUP:
            groups.append(set())
        groups[-1].add(word.strip().lower())
    return groups


def plot_unscrambling(response: str, gold: str) -> tuple[float, str | None]:
    """Score the order of sentences: each gold sentence's closest one in the response, by edit distance of places."""
    summary = response.partition("<PLOT_SUMMARY>")[2] if "<PLOT_SUMMARY>" in response else response
    wanted, given = _sentences(gold), _sentences(summary)
    places = [given.index(best) for each in wanted for best in difflib.get_close_matches(each, given, n=1, cutoff=0.0)]
    return 1 - edit_distance(list(range(len(wanted))), places) / len(wanted), " ".join(map(str, places)) or None


def _sentences(text: str) -> list[str]:
    stripped = (part.strip()[:MAX_SENTENCE_CHARS] for part in text.split("."))
    return [part for part in stripped if part][:MAX_SENTENCES]


def typos(response: str, gold: str) -> tuple[float, str | None]:
    """Score whether the right text stands in the response, line ends apart."""
    text = " ".join(line for line in response.split("\n") if line)
    return float(gold in text), text
