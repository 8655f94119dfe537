"""One file from start to end, before anybody pays for a shard: transform, pairs, tasks, answers, verdicts, as lines.

The steps are those of the pipeline, on a shard of one file; nothing is stored but the answers, in the journal, so that
trying again is free. What does not live here: the steps (`steps`), the command (`cli`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from codeio_assets.core.prompts import Prompt, load_prompt
from codeio_assets.core.settings.models import Chat
from codeio_assets.core.tables.data import frame
from codeio_assets.core.tables.remedies import meaning, remedy
from codeio_assets.core.tables.schema import DIRECTIONS
from codeio_assets.core.values.canonical import content_id, sha256_hex
from codeio_assets.llm.contract import ChatClient
from codeio_assets.llm.session import open_session
from codeio_assets.project import Project
from codeio_assets.sandbox import Limits, Sandbox, find_interpreter, open_sandbox
from codeio_assets.steps.io_pairs import sample_pairs
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.predictions import predict
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.revised_predictions import Asked as AskedBefore
from codeio_assets.steps.revised_predictions import Reviser, revise
from codeio_assets.steps.unified_functions import Transformer, transform_files
from codeio_assets.steps.verdicts import Evidence, judge
from codeio_assets.store import StoreError

SOURCE = "try"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be other than codeio.yaml says, for this once."""

    model: str | None = None
    base_url: str | None = None
    prompts: Path | None = None
    pairs: int = 2
    transform: Prompt | None = None


def try_file(project: Project, file: Path, asked: Asked) -> Iterator[str]:
    """Yield what comes of a file, step by step; as `try_code`.

    Raises:
        StoreError: the file is not UTF-8 text.
    """
    try:
        content = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoreError(f"{file} is not UTF-8 text (byte {error.start}).") from error
    yield from try_code(project, file.name, content, asked)


def try_code(project: Project, path: str, content: str, asked: Asked) -> Iterator[str]:
    """Yield what comes of the text of a file, step by step.

    Raises:
        ChatServerError, SandboxUnavailable: there is no server, recorded answer or sandbox.
        PromptError: a template cannot be used.
    """
    chat = _chat(project.settings.chat, asked)
    one = project.settings.sandbox
    limits = Limits(cpu_s=one.cpu_s, wall_s=one.wall_s, memory_mib=one.memory_mib)
    with (
        open_session(chat, project.chat_folders, "try") as session,
        open_sandbox(limits, one.workers, one.isolation, find_interpreter(one.python, one.packages)) as sandbox,
    ):
        yield from _Trial(project, chat, asked, session.client, sandbox).lines(_raw(path, content))


def _chat(chat: Chat, asked: Asked) -> Chat:
    update: dict[str, object] = {"model": asked.model or chat.model, "requests": "one_by_one"}
    if asked.base_url:
        update |= {"base_url": asked.base_url, "endpoints": ()}
    return chat.model_copy(update=update)


def _raw(path: str, content: str) -> pl.DataFrame:
    data = content.encode("utf-8", "surrogatepass")
    row = {
        "file_id": content_id(source=SOURCE, path=path, content_sha256=sha256_hex(data)),
        "source": SOURCE,
        "repository": None,
        "path": path,
        "license": None,
        "content": content,
        "content_sha256": sha256_hex(data),
        "size_bytes": len(data),
    }
    return frame("eligible_code_files", [row])


@dataclass(frozen=True, slots=True)
class _Trial:
    project: Project
    chat: Chat
    asked: Asked
    client: ChatClient
    sandbox: Sandbox

    def lines(self, files: pl.DataFrame) -> Iterator[str]:
        """Yield the lines, ending where nothing is left."""
        made = self._functions(files)
        for row in made.tables["transform_attempts"].to_dicts():
            came = row["reason"] or "a function"
            yield f"request {row['attempt']} to {row['model_id']}: {came}  {row['detail'] or ''}".rstrip()
        yield from _dropped("unified_functions", made)
        functions = made.tables["unified_functions"]
        if functions.is_empty():
            return
        yield f"\n{functions['query'][0]}\n\n{functions['reference_code'][0].strip()}\n"
        sampled = sample_pairs(functions, self.sandbox, self.project.settings.sampling, self.asked.pairs)
        yield from _dropped("io_pairs", sampled)
        pairs = sampled.tables["io_pairs"].sort("pair_index")
        for row in pairs.to_dicts():
            yield f"pair {row['pair_index'] + 1}: {row['input_json']} -> {row['output_json']}"
        if not pairs.is_empty():
            yield from self._answers(functions, pairs)

    def _functions(self, files: pl.DataFrame) -> StepResult:
        prompts = {name: self._prompt(name) for name in ("transform", "transform_repair")}
        call, attempts = self.chat.transform, self.chat.transform_attempts
        return transform_files(files, Transformer(self.client, self.sandbox, prompts, call, attempts))

    def _answers(self, functions: pl.DataFrame, pairs: pl.DataFrame) -> Iterator[str]:
        prompts = {direction: self._prompt(f"predict_{direction}") for direction in DIRECTIONS}
        tasks = build_prediction_tasks(functions, pairs, prompts).tables["prediction_tasks"]
        rule = self.project.settings.judging.rule

        def judged(turn: pl.DataFrame, table: str = "revised_verdicts") -> StepResult:
            return judge(Evidence(turn, tasks, pairs, functions), self.sandbox, rule, table)

        first = predict(tasks, self.client, self.chat.predict).tables["predictions"]
        verdicts = judged(first, "verdicts").tables["verdicts"]
        reviser = Reviser(self.client, self.chat.predict, self._prompt("revise"), self.chat.revision_turns)
        later = revise(AskedBefore(tasks, first, verdicts), reviser, judged)
        answers = pl.concat([first, later.tables["revised_predictions"]])
        told = pl.concat([verdicts, later.tables["revised_verdicts"]])
        yield from _told(tasks, answers, told)

    def _prompt(self, name: str) -> Prompt:
        if name == "transform" and self.asked.transform:
            return self.asked.transform
        return load_prompt(name, self.asked.prompts) if self.asked.prompts else self.project.prompt(name)


def _dropped(step: str, result: StepResult) -> Iterator[str]:
    for row in result.tables[f"{step}_rejections"].to_dicts():
        yield f"dropped by {step}: {row['reason']}, {meaning(f'{step}_rejections', row['reason'])}"
        yield f"  {row['detail']}\n  {remedy(row['reason'])}"


def _told(tasks: pl.DataFrame, answers: pl.DataFrame, verdicts: pl.DataFrame) -> Iterator[str]:
    by_prediction = {row["prediction_id"]: row for row in verdicts.to_dicts()}
    for task in tasks.sort("pair_id", "direction").to_dicts():
        yield f"\npredict the {task['direction']} (task {task['task_id'][:16]})"
        for answer in answers.filter(pl.col("task_id") == task["task_id"]).sort("turn").to_dicts():
            verdict = by_prediction[answer["prediction_id"]]
            value = verdict["predicted_json"] or "no value"
            gives = f", which gives {verdict['executed_output_json']}" if verdict["executed_output_json"] else ""
            tokens = answer["completion_tokens"]
            yield f"  turn {answer['turn']}: {verdict['status']}  {value}{gives}  ({answer['status']}, {tokens} tokens)"
    first = verdicts.filter(pl.col("turn") == 1)
    right = int((first["status"] == "correct").sum())
    ever = verdicts.filter(pl.col("status") == "correct")["task_id"].n_unique()
    yield f"\n{right} of {len(first)} right at turn 1, {ever} after revision"
