"""Leaks planted in texts are found whatever was done to case, spacing, punctuation and digits, and nothing else is."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.evaluation.leakage import COMMON, Leak, LeakageIndex, WordRule
from codeio_assets.evaluation.ngrams import letters, ngram_hashes, words, words_of

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdgklmnprstx"]


def sentence(rng: random.Random, n: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(n))


def disguised(rng: random.Random, text: str) -> str:
    """Return a text with other case, spacing, punctuation and digits."""
    parts = []
    for word in text.split(" "):
        word = word.upper() if rng.random() < 0.3 else word.capitalize()
        word = word + rng.choice(["", ",", ".", " --", '"', ";"]) + rng.choice(["", f" {rng.randrange(1_000)}"])
        parts.append(word + rng.choice([" ", "  ", "\n", "\t"]))
    return "".join(parts)


def leaks(questions: list[str], texts: list[str], n: int = 13, rule: WordRule | None = None) -> list[Leak]:
    index = LeakageIndex(enumerate(questions), n, rule)
    index.add((f"t{number}", text) for number, text in enumerate(texts))
    return list(index.leaks())


def test_a_thousand_of_a_thousand_disguised_questions_are_found_and_no_other() -> None:
    rng = random.Random(1)
    questions = [sentence(rng, rng.randrange(13, 40)) for _ in range(2_000)]
    texts = [
        f"{sentence(rng, 200)}\n{disguised(rng, question)}\n{sentence(rng, 200)}" for question in questions[:1_000]
    ]
    found = leaks(questions, texts)
    assert [leak.question_id for leak in found if leak.is_leaked] == list(range(1_000))
    assert [leak.text_id for leak in found[:1_000]] == [f"t{number}" for number in range(1_000)]


def test_the_span_stands_in_the_text_and_is_the_questions_words() -> None:
    rng = random.Random(2)
    question = sentence(rng, 20)
    text = f"café «un» {sentence(rng, 30)} — {disguised(rng, question)} don’t"
    [leak] = leaks([question], [text])
    assert leak.span is not None
    assert leak.span in text
    assert " ".join(words(leak.span)) in " ".join(words(question))
    assert leak.hits == 20 - 13 + 1


def test_an_ngram_does_not_reach_from_one_text_into_the_next() -> None:
    question = sentence(random.Random(3), 13)
    first, second = question[: len(question) // 2].rsplit(" ", 1)[0], question[len(question) // 2 :]
    assert not leaks([question], [first, second])[0].is_leaked
    assert leaks([question], [question])[0].is_leaked


def test_a_short_question_is_compared_as_a_whole_and_a_very_short_one_not_at_all() -> None:
    rng = random.Random(4)
    short, very_short = sentence(rng, 9), sentence(rng, 5)
    text = f"{sentence(rng, 30)} {short} {sentence(rng, 30)} {very_short} {sentence(rng, 9)}"
    other = " ".join([*short.split()[:8], "xyz"])
    found = leaks([short, very_short, other, ""], [text])
    assert [(leak.is_leaked, leak.is_short) for leak in found] == [
        (True, True),
        (False, True),
        (False, True),
        (False, True),
    ]


def test_ngrams_of_many_questions_are_told_apart() -> None:
    rng = random.Random(5)
    template = sentence(rng, 13)
    questions = [f"{template} {sentence(rng, 20)}" for _ in range(COMMON + 1)]
    text = questions[0]
    first, *others = leaks(questions, [text])
    assert first.is_leaked
    assert first.rare_hits == 20
    assert all(leak.is_leaked and leak.rare_hits == 0 for leak in others)


def test_cjk_characters_are_words_unless_asked_otherwise() -> None:
    question = "给你一个字符串由不同小写英文字母组成"
    text = "前言。给你一个 字符串，由不同 小写英文 字母组成！后记"
    assert leaks([question], [text])[0].is_leaked
    assert not leaks([question], [text], rule=WordRule(are_cjk_words=False))[0].is_leaked


def test_tokens_of_a_tokenizer() -> None:
    def tokenize(text: str) -> tuple[list[int], list[tuple[int, int]]]:
        found = list(re.finditer(r"\S+", text))
        return [hash(match[0]) % (1 << 31) for match in found], [match.span() for match in found]

    question = sentence(random.Random(6), 15)
    assert leaks([question], ["x " + question], rule=WordRule(tokenize=tokenize))[0].is_leaked
    assert not leaks([question], ["x " + question.upper()], rule=WordRule(tokenize=tokenize))[0].is_leaked


def test_a_text_longer_than_a_piece_is_looked_at_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeio_assets.evaluation.leakage.MAX_TEXT_CHARS", 10_000)
    rng = random.Random(7)
    questions = [sentence(rng, 20) for _ in range(40)]
    text = " ".join(f"{sentence(rng, 180)} {question}" for question in questions)
    assert all(leak.is_leaked for leak in leaks(questions, [text]))


@settings(deadline=None)
@given(st.text(max_size=300))
def test_words_as_hashes_and_as_texts_agree(text: str) -> None:
    split, texts = words_of(text), words(text)
    assert len(split.hashes) == len(texts)
    by_hash = dict(zip(split.hashes.tolist(), texts, strict=True))
    assert [by_hash[each] for each in split.hashes.tolist()] == texts
    assert [words(text[a:b]) for a, b in zip(split.starts, split.ends, strict=True)] == [[word] for word in texts]


def test_what_a_letter_is() -> None:
    assert words("Don't stop—the 3 ＡＢ café cafe\u0301 中文 x1y") == [
        "dont",
        "stop",
        "the",
        "ab",
        "cafe",
        "cafe",
        "中",
        "文",
        "x",
        "y",
    ]
    assert letters()[ord("5")] == 0


def test_ngrams_do_not_depend_on_their_place() -> None:
    rng = random.Random(8)
    gram = sentence(rng, 13)
    alone = ngram_hashes(words_of(gram).hashes, 13)[0]
    assert alone in ngram_hashes(words_of(f"{sentence(rng, 50)} {gram} {sentence(rng, 3)}").hashes, 13)


def test_the_index_is_exact_where_hashes_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """With hashes of eight bits nearly every n-gram collides; words decide."""
    import numpy as np

    from codeio_assets.evaluation import leakage

    real = ngram_hashes
    monkeypatch.setattr(leakage, "ngram_hashes", lambda w, n: real(w, n) >> np.uint64(56) << np.uint64(56))
    rng = random.Random(9)
    questions = [sentence(rng, 13) for _ in range(3)]
    found = leaks(questions, [sentence(rng, 20_000)])
    assert not any(leak.is_leaked for leak in found)


def test_bench_and_demo_files_are_where_the_makefile_says() -> None:
    assert (Path(__file__).resolve().parents[2] / "tools" / "bench_leakage.py").is_file()
