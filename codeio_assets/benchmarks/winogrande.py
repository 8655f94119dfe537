"""WinoGrande: 1,267 sentences with a gap and two candidates for it (the development set, whose answers are public).

Source: allenai/winogrande (CC-BY); over a chat server there is no likelihood of the two sentences, so that a model
chooses by letter: (A) is option 1, (B) option 2.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codeio_assets.benchmarks import choices
from codeio_assets.benchmarks.contract import Benchmark, Question, field_id
from codeio_assets.benchmarks.files import find, json_lines, text_of

FILES: Final = ("winogrande/dev.jsonl", "dev.jsonl")
ASKED: Final = "Which option fills the gap `_` in this sentence?\n\n{sentence}"


def load(folder: Path) -> Iterator[Question]:
    """Yield the sentences with their options."""
    path = find(folder, *FILES)
    for record in json_lines(path):
        sentence = text_of(record, "sentence", str(path))
        options = [text_of(record, name, str(path)) for name in ("option1", "option2")]
        yield Question(
            id=text_of(record, "qID", str(path)),
            text=sentence,
            prompt=choices.prompt(ASKED.format(sentence=sentence), options),
            gold={"1": "A", "2": "B"}.get(str(record.get("answer"))),
            facts={"options": options},
        )


BENCHMARK: Final = Benchmark(
    name="winogrande",
    title="WinoGrande",
    id_fields=("qID",),
    question_id=field_id("qID"),
    load=load,
    score=choices.score,
    files=FILES,
)
