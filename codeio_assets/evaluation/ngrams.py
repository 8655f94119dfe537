"""Texts as arrays of words, and words as n-grams, by whole batches of characters at a time.

What lives here: the word rule of the leakage report. Letters count, in lower case and without accents; digits,
punctuation and blanks separate; apostrophes and marks that combine are dropped, so that `don't` is `dont`; each CJK
character is a word of its own, unless it is asked otherwise. What does not: which n-grams belong to questions
(`leakage`).

A word is a 64-bit hash of its letters, an n-gram one of its words, both as differences of prefix sums modulo 2^64, so
that a batch costs the same however long its words are. Hashes are only looked up with: what they find is compared word
by word (`words`).

Source: CodeI/O, sec. 4.7: a question is tagged when a 13-gram of it occurs in the training data, after punctuation,
numbers and blanks are removed; what a gram counts is not stated there.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

TABLE_SIZE: Final = 0x30000
"""Characters beyond the supplementary ideographic plane separate words."""
CJK: Final = np.uint32(1 << 31)
"""The bit of a letter that is a word of its own."""
DROPPED: Final = np.uint32(0xFFFFFFFF)
_APOSTROPHES: Final = "'’‘ʼ`´＇"
_CJK_NAMES: Final = (
    "CJK UNIFIED",
    "CJK COMPATIBILITY IDEOGRAPH",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL SYLLABLE",
    "BOPOMOFO",
)
_LETTER_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_WORD_BASE: Final = 0xD6E8FEB86659FD93
_MIX: Final = np.uint64(0xBF58476D1CE4E5B9)


@lru_cache(maxsize=2)
def letters(are_cjk_words: bool = True) -> NDArray[np.uint32]:
    """Return what each character is to a word: its letter, 0 where it separates, or DROPPED."""
    table = np.zeros(TABLE_SIZE, np.uint32)
    for code in range(TABLE_SIZE):
        char = chr(code)
        if not char.isprintable() and code < 0xA0:
            continue
        category = unicodedata.category(char)
        if char in _APOSTROPHES or category in ("Mn", "Me", "Cf"):
            table[code] = DROPPED
        elif category[0] == "L":
            table[code] = _letter(char, are_cjk_words)
    return table


def _letter(char: str, are_cjk_words: bool) -> int:
    if are_cjk_words and unicodedata.name(char, "").startswith(_CJK_NAMES):
        return ord(char) | int(CJK)
    plain = unicodedata.normalize("NFKD", char).lower()
    return ord(plain[0]) if plain else 0


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: a hash of each, and where in the text each begins and ends."""

    hashes: Hashes
    starts: Places
    ends: Places


@lru_cache(maxsize=8)
def _powers(base: int, length: int) -> tuple[Hashes, Hashes]:
    """Return the powers of a base modulo 2^64, and those of its inverse."""
    with np.errstate(over="ignore"):
        up = np.full(length, base, np.uint64)
        down = np.full(length, pow(base, -1, 1 << 64), np.uint64)
        up[0] = down[0] = 1
        return np.multiply.accumulate(up), np.multiply.accumulate(down)


def _rounded(length: int) -> int:
    """Return a power of two that is not smaller, so that few tables of powers are made."""
    return 1 << max(12, (length - 1).bit_length())


def words_of(text: str, table: NDArray[np.uint32] | None = None) -> Words:
    """Return the words of a text by the rule of a table of letters."""
    table = letters() if table is None else table
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found = table.take(codes, mode="clip")  # the last entry is no letter
    kept: Places | None = None
    if (dropped := found == DROPPED).any():
        kept = np.flatnonzero(~dropped)
        found = found[kept]
    starts, ends = _bounds(found)
    hashes = _segment_hashes(found.astype(np.uint64), starts, ends, _LETTER_BASE)
    if kept is not None:
        starts, ends = kept[starts], kept[ends - 1] + 1
    return Words(hashes, starts, ends)


def _bounds(found: NDArray[np.uint32]) -> tuple[Places, Places]:
    """Return where words begin and end: at each change from or to a letter, and around CJK letters."""
    padded = np.zeros(len(found) + 2, np.uint32)
    padded[1:-1] = found
    is_letter, is_cjk = padded != 0, padded >= CJK
    before, after = is_letter[:-1], is_letter[1:]
    alone = is_cjk[:-1] | is_cjk[1:]
    starts = np.flatnonzero(after & (~before | alone))
    ends = np.flatnonzero(before & (~after | alone))
    return starts, ends


def _segment_hashes(values: Hashes, starts: Places, ends: Places, base: int) -> Hashes:
    """Return a hash of each run of values, independent of where it stands."""
    with np.errstate(over="ignore"):
        up, down = _powers(base, _rounded(len(values) + 1))
        sums = np.zeros(len(values) + 1, np.uint64)
        np.cumsum(values * up[: len(values)], out=sums[1:])
        return _mixed((sums[ends] - sums[starts]) * down[starts])


def _mixed(hashes: Hashes) -> Hashes:
    """Return hashes whose upper bits depend on all bits."""
    with np.errstate(over="ignore"):
        hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
        return hashes ^ (hashes >> np.uint64(29))


def ngram_hashes(words: Hashes, n: int) -> Hashes:
    """Return a hash of each n words in a row."""
    if len(words) < n:
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        up, down = _powers(_WORD_BASE, _rounded(len(words) + 1))
        sums = np.zeros(len(words) + 1, np.uint64)
        np.cumsum(words * up[: len(words)], out=sums[1:])
        return _mixed((sums[n:] - sums[:-n]) * down[: len(words) - n + 1])


class _Spelling(dict[int, str]):
    """What each character becomes in a text whose words are then apart by blanks; made as characters are met."""

    def __init__(self, table: NDArray[np.uint32]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, code: int) -> str:
        letter = int(self._table[min(code, TABLE_SIZE - 1)])
        spelled = "" if letter == int(DROPPED) else chr(letter & 0x7FFFFFFF) if letter else " "
        self[code] = f" {spelled} " if int(CJK) <= letter < int(DROPPED) else spelled
        return self[code]


@lru_cache(maxsize=2)
def _spelling(are_cjk_words: bool) -> _Spelling:
    return _Spelling(letters(are_cjk_words))


def words(text: str, are_cjk_words: bool = True) -> list[str]:
    """Return the words of a text as texts, as `words_of` finds them."""
    return text.translate(_spelling(are_cjk_words)).split()


def plain_array(values: Any) -> Hashes:
    """Return numbers such as token ids as hashes of words."""
    return _mixed(np.asarray(values, np.uint64) + np.uint64(1))
