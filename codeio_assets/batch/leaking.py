"""`codeio leakage`: which questions stand in training texts, JSONL in and JSONL out.

What does not live here: what a word and a hit is (`evaluation.leakage`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from codeio_assets.batch.lines import BadInput, IdentifiedLine, ProgressLine, Writer
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.evaluation.leakage import COMMON, Leak, LeakageIndex, Tokenize, WordRule, summary


class TextLine(IdentifiedLine):
    """A text, or a question, with its id."""

    text: str


def find_leaks(
    questions: Iterable[TextLine], texts: Iterable[TextLine], n: int, rule: WordRule, out: Writer
) -> Counter[str]:
    """Stream texts past the questions' n-grams, write a line per question; return counts for people."""
    index = LeakageIndex(((line.id, line.text) for line in questions), n, rule)
    progress = ProgressLine("texts")
    index.add(_told(texts, progress))
    progress.finish()
    leaks = list(index.leaks())
    for leak in leaks:
        out.write(**fields_of(leak))
    return summary(leaks)


def _told(texts: Iterable[TextLine], progress: ProgressLine) -> Iterator[tuple[str | int, str]]:
    for line in texts:
        yield line.id, line.text
        progress.advance()


def fields_of(leak: Leak) -> dict[str, JsonLike]:
    """Return a leak as the JSON object that the command writes."""
    return {
        "id": leak.question_id,
        "leaked": leak.is_leaked,
        "hits": leak.hits,
        "span": leak.span,
        "text_id": leak.text_id,
        "common_only": leak.is_leaked and not leak.rare_hits,
        "short": leak.is_short,
    }


def told(counts: Counter[str]) -> str:
    """Return what a person is told."""
    return (
        f"{counts['questions']:,} questions: {counts['leaked']:,} leaked, {counts['leaked_rare']:,} of them by n-grams"
        f" that are in at most {COMMON} questions; {counts['short']:,} are short of an n-gram"
    )


def tokenizer(path: Path) -> Tokenize:
    """Return a tokenizer of a `tokenizer.json`, or of the folder that has one.

    Raises:
        BadInput: it cannot be loaded, or the package `tokenizers` is missing.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        from tokenizers import Tokenizer  # part of the extra `train`

        loaded: Any = Tokenizer.from_file(str(file))
    except ImportError:
        raise BadInput("tokens need the package `tokenizers`: pip install 'codeio-assets[train]'") from None
    except Exception as error:  # the package raises `Exception` itself
        raise BadInput(f"{file}: is no tokenizer: {error}") from None

    def tokenize(text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoded = loaded.encode(text, add_special_tokens=False)
        return cast("list[int]", encoded.ids), cast("list[tuple[int, int]]", encoded.offsets)

    return tokenize
