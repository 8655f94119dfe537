"""benchmark_questions: what the models of every recipe can be asked, from a benchmark's own files or from the hub.

What does not live here: loaders and prompts (`benchmarks`), which of the questions are asked (`evaluation.asking`).
"""

from collections.abc import Sequence
from pathlib import Path

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import BadBenchmarkData, Question
from codeio_assets.core.settings.benchmarks import BenchmarkSettings, BenchmarkSource
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import Json, canonical_json, content_id, sha256_hex
from codeio_assets.evaluation.asking import asked_questions
from codeio_assets.evaluation.running import present
from codeio_assets.sources.datasets import Rows, save_rows
from codeio_assets.steps.result import StepResult

OF_ROWS = frozenset(
    {"winogrande", "gsm8k", "math", "gpqa", "mmlu_stem", "cruxeval_input", "cruxeval_output", "zebralogic"}
)
"""Benchmarks of one file of records, which may come as the rows of a dataset."""


def names_of(settings: BenchmarkSettings, root: Path) -> Sequence[str]:
    """Return the benchmarks that are asked.

    Raises:
        SettingsError: benchmarks.yaml names one that there is not.
    """
    unknown = [name for name in (*settings.sources, *(settings.benchmarks or ())) if name not in BENCHMARKS]
    if unknown:
        raise SettingsError(f"benchmarks.yaml: there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    if settings.benchmarks is not None:
        return settings.benchmarks
    there = {*settings.sources, *present(root / settings.folder)}
    return [name for name in BENCHMARKS if name in there]


def local_place(name: str, settings: BenchmarkSettings, root: Path) -> Path | None:
    """Return the file or folder that a benchmark's data is in, or None where it is on the hub."""
    source = settings.sources.get(name)
    if source is None:
        return root / settings.folder
    place = root / (source.path or str(source.dataset))
    return place if source.path or place.is_dir() else None


def content_of(place: Path, files: Sequence[str]) -> str:
    """Return a hash over the names and contents of the files below a folder that match, or of a file itself."""
    if place.is_file():
        return sha256_hex(place.read_bytes())
    paths = sorted({path for pattern in files for path in place.glob(pattern) if path.is_file()})
    return content_id(files=[[path.relative_to(place).as_posix(), sha256_hex(path.read_bytes())] for path in paths])


def place_of(name: str, settings: BenchmarkSettings, root: Path, kept: Path) -> Path:
    """Return where a benchmark's data can be read; the rows of a dataset are written into the folder `kept`, once.

    Raises:
        SettingsError: the dataset cannot be had; the hub's own words.
    """
    source, local = settings.sources.get(name), local_place(name, settings, root)
    if source is None or source.dataset is None:
        assert local is not None, "a path is local"
        return local
    if name not in OF_ROWS:
        raise SettingsError(f"benchmarks.yaml: {name} is made of several files of its authors: give `path`, a folder")
    if local is None and source.revision is None:
        raise SettingsError(f"benchmarks.yaml: {name}: give `revision`, the commit of {source.dataset!r} on the hub")
    path = kept / f"{name}-{content_id(**source.model_dump(mode='json'))[:12]}.jsonl"
    if local is not None or not path.is_file():  # a local folder may have changed
        _save(source, str(local or source.dataset), path)
    return path


def _save(source: BenchmarkSource, dataset: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    said_in = "`dataset`, `subsets`, `split` and `revision` in benchmarks.yaml"
    for subset in source.subsets or (None,):
        save_rows(Rows(dataset, subset, source.split, source.revision, said_in), part)
    part.replace(path)


def load_questions(name: str, place: Path, source: BenchmarkSource | None = None) -> StepResult:
    """Read the questions of a benchmark whose answers are known.

    Raises:
        BadBenchmarkData: the data is missing or damaged, there are not as many questions as the source says, or not
            those that it leaves out.
    """
    benchmark = BENCHMARKS[name]
    loaded = list(benchmark.load(place))
    known = asked_questions(benchmark, loaded)
    wanted = source.questions if source is not None else None
    if not known or wanted not in (None, len(known)):
        raise BadBenchmarkData(f"{place}: has {len(known):,} questions of {name}, not {wanted or 'one'}")
    left_out = source.leave_out if source is not None else ()
    unknown = sorted(set(left_out) - {benchmark.unit(question) for question in known})
    if unknown:
        raise BadBenchmarkData(f"{place}: has no {unknown[0]!r} of {name}, which benchmarks.yaml leaves out")
    rows = [_row(name, question) for question in known if benchmark.unit(question) not in left_out]
    info: dict[str, Json] = {"source": str(place), "left_out": len(known) - len(rows)}
    if source is not None and source.license:
        info["license"] = source.license
    table = frame("benchmark_questions", rows)
    return StepResult({"benchmark_questions": table}, len(loaded), len(rows), info=info)


def _row(benchmark: str, question: Question) -> Row:
    return {
        "item_id": content_id(benchmark=benchmark, question=question.id, prompt=question.prompt),
        "benchmark": benchmark,
        "question_id": question.id,
        "question_group": question.group,
        "question": question.text,
        "prompt": question.prompt,
        "gold_json": canonical_json(question.gold),
        "facts_json": canonical_json(dict(question.facts)),
        "prompt_version": BENCHMARKS[benchmark].prompt_version,
    }
