"""BIG-Bench Hard, in English (27 tasks, 6,511 questions) and as nine tasks translated to Chinese (2,250).

Three worked examples per task stand before each question. The answer is what follows the last `answer is`, without
its last full stop; it must be the target exactly, Markdown around it apart. The figure is the mean of the tasks' means,
as its authors report it.

Source: suzgunmirac/BIG-Bench-Hard (MIT), whose prompts are used as they are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    BadBenchmarkData,
    Benchmark,
    Question,
    Row,
    Verdict,
    judged,
    mean_of_groups,
)
from codeio_assets.benchmarks.files import find_folder, json_file

MARKERS: Final = ("answer is", "答案是", "答案为")
_DRESS: Final = "*`$_ \t"
"""What may stand around an answer in Markdown, and is no part of any target's ends."""


def load(folder: Path, *names: str, suffix: str = "Q: {question}\nA: Let's think step by step.") -> Iterator[Question]:
    """Yield the questions of all tasks in a folder of the authors' form: a JSON file per task, prompts beside them.

    Raises:
        BadBenchmarkData: there is no task, or a task has no prompt.
    """
    tasks = find_folder(folder, "*.json", *names)
    if not any((place / "cot-prompts").is_dir() for place in (tasks, tasks.parent)):
        raise BadBenchmarkData(f"{tasks}: has no folder cot-prompts, nor one beside it; are these tasks of BBH?")
    for path in sorted(tasks.glob("*.json")):
        examples: Any = json_file(path).get("examples")
        if not isinstance(examples, list):
            raise BadBenchmarkData(f"{path}: has no `examples`")
        shots = _shots(tasks, path.stem)
        for index, example in enumerate(cast("list[dict[str, Any]]", examples)):
            text = str(example["input"])
            prompt = f"{shots}\n\n{suffix.format(question=text)}" if shots else suffix.format(question=text)
            yield Question(f"{path.stem}/{index}", text, prompt, str(example["target"]), path.stem)


def _shots(tasks: Path, task: str) -> str:
    """Return the worked examples of a task, without the canary line and the rule above them."""
    for place in (tasks.parent / "cot-prompts", tasks / "cot-prompts"):
        path = place / f"{task}.txt"
        if path.is_file():
            text = path.read_text("utf-8")
            return text.partition("-----\n")[2].strip() if "-----\n" in text else text.strip()
    raise BadBenchmarkData(f"{tasks}: has no cot-prompts/{task}.txt, the three worked examples")


def load_en(folder: Path) -> Iterator[Question]:
    """Yield the English questions."""
    return load(folder, "bbh/bbh", "bbh")


def load_zh(folder: Path) -> Iterator[Question]:
    """Yield the Chinese questions."""
    return load(folder, "bbh_zh/bbh", "bbh_zh", suffix="问：{question}\n答：让我们一步一步地思考。")


def own_question(row: Row, known: Question | None) -> Question | None:
    """Return a question of a line that holds its own target."""
    target = row.get("target")
    if not isinstance(target, str):
        return known
    return Question(question_id(row), "", "", target, str(row.get("task", "")))


def score(response: str, question: Question) -> Verdict:
    """Judge by the text after the last `answer is`; a response without one may be the bare target."""
    if not isinstance(question.gold, str):
        return NO_GOLD
    answer = _after_marker(response)
    if answer is None:
        return judged(1, response.strip()) if response.strip() == question.gold else NO_ANSWER
    return judged(answer == question.gold or _undressed(answer) == question.gold, answer)


def _after_marker(response: str) -> str | None:
    start, marker = max((response.rfind(marker), marker) for marker in MARKERS)
    if start < 0:
        return None
    answer = response[start + len(marker) :].strip()
    return answer[:-1] if answer.endswith((".", "。")) else answer


def _undressed(answer: str) -> str:
    """Return the first line of an answer without Markdown around it; chat models go on after it."""
    line = answer.partition("\n")[0].strip(_DRESS)
    return line[:-1].strip(_DRESS) if line.endswith((".", "。")) else line


def question_id(row: Row) -> str:
    """Return `task/index`."""
    return f"{row.get('task', '')}/{row.get('index', '')}"


def _benchmark(name: str, title: str, load: Any, folder: str) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        id_fields=("task", "index"),
        question_id=question_id,
        load=load,
        score=score,
        files=tuple(
            f"{place}{each}" for place in (f"{folder}bbh/", folder, "") for each in ("*.json", "cot-prompts/*.txt")
        ),
        own_question=own_question,
        figure=mean_of_groups,
        needs_data=False,
    )


BBH_EN: Final = _benchmark("bbh_en", "BBH-EN", load_en, "bbh/")
BBH_ZH: Final = _benchmark("bbh_zh", "BBH-ZH", load_zh, "bbh_zh/")
