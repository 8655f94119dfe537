"""What a reward costs: latency of four completions, and completions per second for 1 to 64 callers.

    make bench-reward               tables for people
    make bench-reward ARGS=--json   one JSON object

The functions are those of the bundled sample's kind: pure Python, called with a predicted input. Every completion is
different, so that nothing is executed once for many. One in eight predicts an output, which needs no execution.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from codeio_assets.rewards import Question, RewardJudge

CODE = """
from collections import Counter
from typing import Dict, List

def normalise(word: str) -> str:
    return "".join(sorted(word.lower()))

def main_solution(words: List[str], limit: int) -> Dict[str, int]:
    counts = Counter(normalise(word) for word in words)
    total = sum(counts.values())
    return {word: count * limit % (total + 1) for word, count in sorted(counts.items()) if count <= limit}
"""
TARGET = '{"abc":1}'
CALLERS = (1, 2, 4, 8, 16, 32, 64)
BATCHES = 60
PER_BATCH = 4
SECONDS = 4.0


def batch(number: int) -> tuple[list[Question], list[str]]:
    """Return four questions and completions that no other batch has."""
    questions: list[Question] = []
    completions: list[str] = []
    for place in range(PER_BATCH):
        if (number * PER_BATCH + place) % 8 == 7:
            questions.append(Question("output", TARGET))
            completions.append(f'We count the letters, and find {{"output": {{"abc": {number}}}}}')
        else:
            questions.append(Question("input", TARGET, CODE))
            words = ["abc", "cab", f"w{number}", f"x{place}"]
            answer = {"input": {"words": words, "limit": 1 + number % 9}}
            completions.append(f"One of each will do.\n{json.dumps(answer)}")
    return questions, completions


def latency(judge: RewardJudge) -> dict[str, float]:
    """Return milliseconds of one caller's batches of four, after some to get warm."""
    for number in range(10):
        judge.judge(*batch(number))
    took: list[float] = []
    for number in range(10, 10 + BATCHES):
        questions, completions = batch(number)
        started = time.perf_counter()
        judge.judge(questions, completions)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return {"median_ms": statistics.median(took), "p90_ms": took[int(len(took) * 0.9)], "best_ms": took[0]}


def in_threads(judge: RewardJudge, callers: int) -> float:
    """Return completions per second of that many threads, each with a batch of four after the other."""
    deadline = time.perf_counter() + SECONDS

    def call(first: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            judge.judge(*batch(first + done))
            done += PER_BATCH
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        done = sum(threads.map(call, range(1_000, 1_000 + callers * 100_000, 100_000)))
    return done / (time.perf_counter() - started)


def in_coroutines(judge: RewardJudge, callers: int) -> float:
    """Return the same of that many coroutines in one thread."""
    deadline = time.perf_counter() + SECONDS

    async def call(first: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            await judge.judge_async(*batch(first + done))
            done += PER_BATCH
        return done

    async def main() -> int:
        return sum(await asyncio.gather(*(call(n * 100_000) for n in range(callers))))

    started = time.perf_counter()
    done = asyncio.run(main())
    return done / (time.perf_counter() - started)


def opening() -> tuple[RewardJudge, float]:
    """Return an open judge, and the seconds that this took."""
    started = time.perf_counter()
    judge = RewardJudge()
    return judge, time.perf_counter() - started


def main() -> None:
    """Measure, and print."""
    judge, opened_s = opening()
    with judge:
        single = latency(judge)
        ways: dict[str, Callable[[RewardJudge, int], float]] = {"threads": in_threads, "coroutines": in_coroutines}
        rates = {name: {callers: way(judge, callers) for callers in CALLERS} for name, way in ways.items()}
    if "--json" in sys.argv:
        print(json.dumps({"opened_s": opened_s, "four_completions": single, "completions_per_s": rates}))
        return
    print(f"opening the judge: {opened_s:.2f} s")
    print("four completions, one caller: " + ", ".join(f"{name[:-3]} {ms:.1f} ms" for name, ms in single.items()))
    print(f"\n{'callers':>8}{'threads: completions/s':>26}{'coroutines':>14}")
    for callers in CALLERS:
        print(f"{callers:>8}{rates['threads'][callers]:>26,.0f}{rates['coroutines'][callers]:>14,.0f}")


if __name__ == "__main__":
    main()
