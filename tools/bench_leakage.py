"""`make bench-leakage`: speed, memory and recall of the leakage report on planted questions among generated text.

Writes nothing but its table. Speed is per CPU second of this process, reading JSON apart; memory is its peak.
"""

import argparse
import random
import resource
import time
from collections.abc import Iterator

from codeio_assets.evaluation.leakage import LeakageIndex

PLANTED = 1_000


def vocabulary(rng: random.Random, n: int = 20_000) -> list[str]:
    """Return made-up words of the lengths that English has."""
    consonants, vowels = "bcdfghklmnprstvw", "aeiou"
    return ["".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(rng.randint(1, 4))) for _ in range(n)]


def sentence(rng: random.Random, words: list[str], n: int) -> str:
    """Return words with the punctuation of prose."""
    return " ".join(word + ("," if rng.random() < 0.08 else "") for word in rng.choices(words, k=n))


def disguised(rng: random.Random, text: str) -> str:
    """Return a text with other case, spacing, punctuation and digits."""
    return "".join(
        (word.upper() if rng.random() < 0.3 else word) + rng.choice([" ", "  ", "\n", f" {rng.randrange(99)} ", "; "])
        for word in text.split()
    )


def texts(rng: random.Random, words: list[str], questions: list[str], megabytes: float) -> Iterator[tuple[str, str]]:
    """Yield texts of about 4 kB, a thousand of which hold a disguised question, up to a size."""
    pool = [sentence(rng, words, 600) for _ in range(400)]  # drawing words for gigabytes would take longer than finding
    size, number = 0.0, 0
    while size < megabytes * 1e6 or number < PLANTED:
        planted = f"\n{disguised(rng, questions[number])}\n" if number < PLANTED else "\n"
        text = f"{pool[rng.randrange(400)]}{planted}{number}"
        yield f"t{number}", text
        size, number = size + len(text), number + 1


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1_000, help="text to stream, in MB")
    parser.add_argument("--questions", type=int, default=21_518, help="questions to index")
    arguments = parser.parse_args()
    rng = random.Random(0)
    words = vocabulary(rng)
    questions = [sentence(rng, words, rng.randint(15, 80)) for _ in range(arguments.questions)]

    started = time.process_time()
    index = LeakageIndex(enumerate(questions))
    indexed_s = time.process_time() - started

    spent, size = 0.0, 0
    batch: list[tuple[str, str]] = []
    for text in texts(rng, words, questions, arguments.megabytes):
        batch.append(text)
        size += len(text[1].encode())
        if len(batch) == 1_000:
            spent += _timed(index, batch)
            batch = []
    spent += _timed(index, batch)

    leaks = list(index.leaks())
    found = sum(leak.is_leaked for leak in leaks[:PLANTED])
    others = sum(leak.is_leaked for leak in leaks[PLANTED:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"questions indexed      {len(questions):,} ({index.n_ngrams:,} n-grams) in {indexed_s:.1f} CPU s")
    print(
        f"text streamed          {size / 1e6:,.0f} MB in {spent:.1f} CPU s: {size / 1e6 / spent:.1f} MB per CPU second"
    )
    print(f"planted and found      {found:,} of {PLANTED:,}; other questions tagged: {others:,}")
    print(f"peak memory            {peak:,.0f} MiB")


def _timed(index: LeakageIndex, batch: list[tuple[str, str]]) -> float:
    started = time.process_time()
    index.add(batch)
    return time.process_time() - started


if __name__ == "__main__":
    main()
