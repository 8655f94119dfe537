"""Which questions of benchmarks stand in training texts: exact overlap of n-grams, in one pass over the texts.

What lives here: an index of the questions' n-grams, and reports after texts were streamed past it. What does not: what
a word is (`ngrams`), and files (`batch.leaking`).

A question is tagged when one of its n-grams occurs in a text. One of fewer than n words is compared as a whole where it
has at least `MIN_WHOLE` words, and cannot be tagged where it has fewer; both are marked as short. N-grams that occur in
more than `COMMON` questions are templates rather than leaks: questions that are tagged by such only are marked.

Source: CodeI/O, sec. 4.7.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from codeio_assets.evaluation.ngrams import (
    Hashes,
    Places,
    Words,
    letters,
    ngram_hashes,
    plain_array,
    words,
    words_of,
)

Unit = Literal["words", "tokens"]
N: Final = 13
MIN_WHOLE: Final = 8
COMMON: Final = 10
BATCH_CHARS: Final = 130_000
MAX_TEXT_CHARS: Final = 8_000_000
"""A longer text is looked at in pieces that overlap by `OVERLAP_CHARS`."""
OVERLAP_CHARS: Final = 4_000
_MAX_BITS: Final = 25
Tokenize = Callable[[str], tuple[list[int], list[tuple[int, int]]]]
"""A text to token ids, and where each stands in the text."""


@dataclass(frozen=True, slots=True)
class WordRule:
    """What an n-gram counts: words, with CJK characters one each or not, or the tokens of a tokenizer."""

    are_cjk_words: bool = True
    tokenize: Tokenize | None = None

    def split(self, text: str) -> Words:
        """Return the words, or tokens, of a text."""
        if self.tokenize is None:
            return words_of(text, letters(self.are_cjk_words))
        ids, places = self.tokenize(text)
        ends = np.array([end for _, end in places], np.int64)
        return Words(plain_array(ids), np.array([start for start, _ in places], np.int64), ends)

    def plain(self, text: str) -> list[str] | list[int]:
        """Return the same as values that can be compared exactly."""
        return words(text, self.are_cjk_words) if self.tokenize is None else self.tokenize(text)[0]


@dataclass(frozen=True, slots=True)
class Leak:
    """What was found of one question.

    `hits` counts places in texts, `rare_hits` those of n-grams that are in at most `COMMON` questions. `span` is the
    first place as it stands in its text, `text_id` that text.
    """

    question_id: str | int
    hits: int = 0
    rare_hits: int = 0
    span: str | None = None
    text_id: str | int | None = None
    is_short: bool = False

    @property
    def is_leaked(self) -> bool:
        """Whether any n-gram was found."""
        return self.hits > 0


@dataclass(slots=True)
class _Grams:
    """The n-grams of one length: sorted hashes, how often each is in questions and texts, and where it was found."""

    length: int
    hashes: Hashes
    questions: NDArray[np.int32]
    hits: NDArray[np.int64]
    seen: NDArray[np.bool_]
    bitmap: NDArray[np.bool_]
    bits: int
    owners: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Place in `hashes` -> a question that has it, and at which word; filled as n-grams are found."""
    found: dict[int, tuple[int, str, str | int]] = field(default_factory=dict[int, tuple[int, str, str | int]])
    """Place in `hashes` -> the how manieth it was to be found, its span, and the id of the text."""


class LeakageIndex:
    """The n-grams of questions, past which texts are streamed."""

    def __init__(self, questions: Iterable[tuple[str | int, str]], n: int = N, rule: WordRule | None = None) -> None:
        """Index questions given as (id, text)."""
        self._rule = rule or WordRule()
        self._n = n
        self._ids: list[str | int] = []
        self._texts: list[str] = []
        self._grams: list[Hashes] = []
        self._whole: dict[int, list[tuple[int, Hashes]]] = {}
        self._whole_leaks: dict[int, Leak] = {}
        self._last: tuple[int, list[str] | list[int]] = (-1, [])
        self._lengths: list[int] = []
        for question_id, text in questions:
            split = self._rule.split(text).hashes
            length = n if len(split) >= n else min(MIN_WHOLE, n) if len(split) >= min(MIN_WHOLE, n) else 0
            hashes = ngram_hashes(split, length) if length else np.zeros(0, np.uint64)
            self._ids.append(question_id)
            self._texts.append(text)
            self._lengths.append(length)
            self._grams.append(np.unique(hashes if length == n else hashes[:1]))
            if 0 < length < n:
                self._whole.setdefault(int(hashes[0]), []).append((len(self._ids) - 1, split))
        self._by_length = {length: self._index(length) for length in sorted({*self._lengths} - {0})}

    def _index(self, length: int) -> _Grams:
        everything = np.concatenate([g for g, of in zip(self._grams, self._lengths, strict=True) if of == length])
        hashes, counts = np.unique(everything, return_counts=True)
        bits = max(16, min(_MAX_BITS, (64 * len(hashes)).bit_length()))
        bitmap = np.zeros(1 << bits, np.bool_)
        bitmap[hashes >> np.uint64(64 - bits)] = True
        zeros = np.zeros(len(hashes), np.int64)
        return _Grams(length, hashes, counts.astype(np.int32), zeros, np.zeros(len(hashes), np.bool_), bitmap, bits)

    @property
    def n_ngrams(self) -> int:
        """How many different n-grams the questions have."""
        return sum(len(grams.hashes) for grams in self._by_length.values())

    def add(self, texts: Iterable[tuple[str | int, str]]) -> None:
        """Look at texts given as (id, text)."""
        for batch in _batches(_pieces(texts)):
            self._look_at([text_id for text_id, _ in batch], [text for _, text in batch])

    def _look_at(self, ids: Sequence[str | int], texts: Sequence[str]) -> None:
        """Look at a batch of texts as one; n-grams that reach from a text into the next do not count."""
        if self._rule.tokenize is not None and len(texts) > 1:  # tokens at a seam are not those of either text
            for text_id, text in zip(ids, texts, strict=True):
                self._look_at([text_id], [text])
            return
        joined = "\n".join(texts)
        lengths = np.array([0, *(len(text) + 1 for text in texts)], np.int64)
        offsets = np.cumsum(lengths)
        split = self._rule.split(joined)
        for grams in self._by_length.values():
            hashes = ngram_hashes(split.hashes, grams.length)
            candidates = np.flatnonzero(grams.bitmap[hashes >> np.uint64(64 - grams.bits)])
            if not len(candidates):
                continue
            places = np.searchsorted(grams.hashes, hashes[candidates]).clip(max=len(grams.hashes) - 1)
            is_hit = grams.hashes[places] == hashes[candidates]
            count = self._count if grams.length == self._n else self._count_whole
            count(grams, split, candidates[is_hit], places[is_hit], _Batch(joined, offsets, ids))

    def _count(self, grams: _Grams, split: Words, firsts: Places, places: Places, batch: "_Batch") -> None:
        lasts = firsts + grams.length - 1
        text = np.searchsorted(batch.offsets, split.starts[firsts], "right") - 1
        is_within = text == np.searchsorted(batch.offsets, split.starts[lasts], "right") - 1
        firsts, lasts, places, text = firsts[is_within], lasts[is_within], places[is_within], text[is_within]
        for at in np.sort(np.unique(places, return_index=True)[1]).tolist():
            place = int(places[at])
            if not grams.seen[place]:
                span = batch.joined[split.starts[firsts[at]] : split.ends[lasts[at]]]
                grams.seen[place] = self._is_gram(grams, place, span)
                grams.found[place] = (len(grams.found), span, batch.ids[int(text[at])])
        np.add.at(grams.hits, places[grams.seen[places]], 1)

    def _count_whole(self, grams: _Grams, split: Words, firsts: Places, places: Places, batch: "_Batch") -> None:
        """Count short questions: all of their words follow where their first ones were found."""
        for first, place in zip(firsts.tolist(), places.tolist(), strict=True):
            for question, own in self._whole[int(grams.hashes[place])]:
                last = first + len(own) - 1
                if not np.array_equal(split.hashes[first : last + 1], own) or not batch.is_one(split, first, last):
                    continue
                span = batch.joined[split.starts[first] : split.ends[last]]
                if self._rule.plain(span) == self._plain(question):
                    new = Leak(self._ids[question], 0, 0, span, batch.id_of(split, first), is_short=True)
                    leak = self._whole_leaks.get(question, new)
                    self._whole_leaks[question] = replace(leak, hits=leak.hits + 1, rare_hits=leak.hits + 1)

    def _is_gram(self, grams: _Grams, place: int, span: str) -> bool:
        """Return whether a span is an n-gram word by word, and not only by its hash."""
        if not grams.owners:
            grams.owners.update(self._owners(grams))
        question, word = grams.owners[place]
        return self._plain(question)[word : word + grams.length] == self._rule.plain(span)

    def _plain(self, question: int) -> list[str] | list[int]:
        """Return a question's words; n-grams of one question are mostly found after each other."""
        if self._last[0] != question:
            self._last = (question, self._rule.plain(self._texts[question]))
        return self._last[1]

    def _owners(self, grams: _Grams) -> Iterator[tuple[int, tuple[int, int]]]:
        for number, (text, length) in enumerate(zip(self._texts, self._lengths, strict=True)):
            if length == grams.length:
                places = np.searchsorted(grams.hashes, ngram_hashes(self._rule.split(text).hashes, length))
                yield from ((place, (number, word)) for word, place in enumerate(places.tolist()))

    def leaks(self) -> Iterator[Leak]:
        """Yield what was found of each question, in the order in which they were given."""
        for number, (question_id, own, length) in enumerate(zip(self._ids, self._grams, self._lengths, strict=True)):
            if length < self._n:
                yield self._whole_leaks.get(number, Leak(question_id, is_short=True))
                continue
            grams = self._by_length[length]
            places = np.searchsorted(grams.hashes, own)
            hits = grams.hits[places]
            rare = int(hits[grams.questions[places] <= COMMON].sum())
            best = _example(grams, places, hits)
            yield Leak(question_id, int(hits.sum()), rare, *best)


@dataclass(frozen=True, slots=True)
class _Batch:
    joined: str
    offsets: NDArray[np.int64]
    ids: Sequence[str | int]

    def text_at(self, split: Words, word: int) -> int:
        """Return which text a word stands in."""
        return int(np.searchsorted(self.offsets, split.starts[word : word + 1], "right")[0]) - 1

    def is_one(self, split: Words, first: int, last: int) -> bool:
        """Return whether two words stand in the same text."""
        return self.text_at(split, first) == self.text_at(split, last)

    def id_of(self, split: Words, word: int) -> str | int:
        """Return the id of the text that a word stands in."""
        return self.ids[self.text_at(split, word)]


def _example(grams: _Grams, places: Places, hits: NDArray[np.int64]) -> tuple[str | None, str | int | None]:
    """Return the span and text of the n-gram found that is in the fewest questions, of several the first."""
    found = [int(place) for place in places[hits > 0]]
    if not found:
        return None, None
    best = min(found, key=lambda place: (int(grams.questions[place]), grams.found[place][0]))
    return grams.found[best][1:]


def _pieces(texts: Iterable[tuple[str | int, str]]) -> Iterator[tuple[str | int, str]]:
    """Yield texts, the long ones in pieces that overlap."""
    for text_id, text in texts:
        for start in range(0, max(1, len(text) - OVERLAP_CHARS), MAX_TEXT_CHARS - OVERLAP_CHARS):
            yield text_id, text[start : start + MAX_TEXT_CHARS]


def _batches(pieces: Iterable[tuple[str | int, str]]) -> Iterator[list[tuple[str | int, str]]]:
    """Yield lists of texts of as many characters as leave a batch in a processor's cache."""
    batch: list[tuple[str | int, str]] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[1])
        if size >= BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def summary(leaks: Iterable[Leak]) -> Counter[str]:
    """Return how many questions are leaked, leaked by a rare n-gram, and short."""
    counts: Counter[str] = Counter()
    for leak in leaks:
        counts["questions"] += 1
        counts["leaked"] += leak.is_leaked
        counts["leaked_rare"] += leak.rare_hits > 0
        counts["short"] += leak.is_short
    return counts
