"""training_sets: building the rows that a recipe trains on, in SQL and in bounded memory.

Shards do not meet in a sample, so one group of shards is joined at a time and its rows leave as Arrow batches. The rows
and their order follow from the snapshot and the recipe alone, however shards are grouped.
What does not live here: the rules (`sql/transforms`), their parameters (`core.method.assembly`), conversations
(`steps.instruction_data`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import duckdb
import pyarrow as pa

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.core.method.assembly import Parameters, Withheld, parameters_of, recipe_parameters
from codeio_assets.core.prompts import Prompt, load_prompt
from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import Recipe, RecipeError
from codeio_assets.core.values.canonical import Json
from codeio_assets.evaluation.leakage import LeakageIndex, WordRule
from codeio_assets.steps.result import StepResult
from codeio_assets.store import Snapshot, Warehouse
from codeio_assets.store.parquet import arrow_schema

TASKS_PER_GROUP = 30_000
"""Tasks that are joined at once; some 10 KB each while they are sorted."""
ROWS_PER_BATCH = 4_096
PINS = "training_sets."
OUTCOMES: dict[str, str] = {
    "codeio": "task_outcomes", "instruction": "conversation_outcomes", "steps": "step_outcomes",
}  # fmt: skip
SAMPLES: dict[str, str] = {
    "codeio": "task_samples", "instruction": "conversation_samples", "steps": "step_samples",
}  # fmt: skip
TABLES: dict[str, str] = {
    "codeio": "prediction_tasks", "instruction": "instruction_data", "steps": "step_questions",
}  # fmt: skip
"""Kind -> the table whose rows are its items."""
REJECTED: dict[str, str] = {
    "codeio": "select task_id as id, source, reason, detail from task_outcomes where reason is not null "
    "order by part, id",
    "instruction": "select sample_id as id, source, reason, detail from conversation_outcomes "
    "where reason is not null order by id",
    "steps": "select question_id as id, source, reason, detail from step_outcomes where reason is not null "
    "order by part, id",
}


@dataclass(frozen=True)
class Assembly:
    """A recipe over a snapshot: `counts` looks at what it takes, `samples` and `rejections` stream the rows.

    `mixes` has the share of each kind per stage; `query` returns the text of a file under sql/, which may name no other
    than the given tables. `withheld` may not stand in a function.
    """

    mixes: Mapping[str, Mapping[str, float]]
    parameters: Parameters
    warehouse: Warehouse
    snapshot: Snapshot
    query: Callable[[str], str]
    tables: Collection[str] | None = None
    tasks_per_group: int = TASKS_PER_GROUP
    withheld: Withheld | None = None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        warehouse: Warehouse,
        snapshot: Snapshot,
        query: Callable[[str], str],
        *,
        phrases: Phrases,
        split: Split,
        prompt: Callable[[str], Prompt] = load_prompt,
        tasks_per_group: int = TASKS_PER_GROUP,
        leakage: Leakage,
    ) -> Self:
        """Return the assembly of a recipe over all tables of a snapshot; `prompt` loads a template by name.

        Raises:
            RecipeError: a benchmark that the recipe names is not there.
        """
        marked, withheld = marked_out(recipe, warehouse, query), withheld_by(recipe, warehouse, leakage)
        parameters = recipe_parameters(recipe, phrases, split, prompt, marked)
        return cls(mixes_of(recipe), parameters, warehouse, snapshot, query, None, tasks_per_group, withheld)

    def samples(self) -> pa.RecordBatchReader:
        """Return the rows of `training_sets`, in the order of stage, kind, shard and id."""
        return self._stream("training_sets", lambda kind: self.query(f"transforms/{SAMPLES[kind]}.sql"))

    def rejections(self, any_: bool = True) -> pa.RecordBatchReader:
        """Return the rows of `training_sets_rejections`, in the same order; nothing is read when there are none."""
        if not any_:
            return pa.RecordBatchReader.from_batches(arrow_schema("training_sets_rejections"), [])
        return self._stream("training_sets_rejections", lambda kind: REJECTED[kind])

    def counts(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Return how many items end on each side of each stage, by each reason, and by each licence left out."""
        sides: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        licenses: Counter[str] = Counter()
        for kind, connection, values in self._each():
            query = f"select reason, split, license, count(*) from {OUTCOMES[kind]} group by all"
            for reason, split, license_, count in connection.execute(query).fetchall():
                if reason is None:
                    sides[f"stage_{values['stage']}_{split}"] += count
                else:
                    reasons[reason] += count
                if reason in {"license_not_allowed", "license_unknown"}:
                    licenses[license_ or "unknown"] += count
        return sides, reasons, licenses

    def _stream(self, table: str, query_of: Callable[[str], str]) -> pa.RecordBatchReader:
        schema = arrow_schema(table)

        def batches() -> Iterator[pa.RecordBatch]:
            for kind, connection, values in self._each():
                query = query_of(kind)
                relation = connection.sql(query, params=parameters_of(query, values))
                for batch in relation.to_arrow_reader(ROWS_PER_BATCH):
                    yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _each(self) -> Iterator[tuple[str, duckdb.DuckDBPyConnection, Parameters]]:
        """Yield each stage, kind and group of partitions with a connection that holds its outcomes."""
        for number, mix in sorted(self.mixes.items()):
            for kind, share in sorted(mix.items()):
                values = {**self.parameters, "stage": int(number), "share": share}
                for group in self.snapshot.in_groups(TABLES[kind], self.tasks_per_group):
                    with self.warehouse.connect(group, self.tables) as connection:
                        connection.execute(self.query("transforms/_hashing.sql"))
                        if kind != "instruction":
                            if self.withheld is not None:
                                values["leaked"] = leaked_functions(connection, self.withheld)
                            place_functions(connection, self.query, values)
                        query = self.query(f"transforms/{OUTCOMES[kind]}.sql")
                        connection.execute(
                            f"create temp table {OUTCOMES[kind]} as {query}", parameters_of(query, values)
                        )
                        yield kind, connection, values


def place_functions(connection: duckdb.DuckDBPyConnection, query: Callable[[str], str], values: Parameters) -> None:
    """Make the temporary table `function_places`."""
    places = query("transforms/_function_places.sql")
    connection.execute(f"create temp table function_places as {places}", parameters_of(places, values))


def leaked_functions(connection: duckdb.DuckDBPyConnection, withheld: Withheld) -> list[str]:
    """Return the functions whose query, description or code shares an n-gram with a text that is withheld, sorted."""
    texts = "concat_ws(chr(10), query, io_description, reference_code)"
    rows = connection.execute(f"select function_id, {texts} from unified_functions order by function_id").fetchall()
    rule = WordRule(are_cjk_words=withheld.rule.cjk == "characters")
    index = LeakageIndex(rows, withheld.rule.n, rule)
    index.add(enumerate(withheld.texts))
    return [str(leak.question_id) for leak in index.leaks() if leak.is_leaked]


def marked_out(recipe: Recipe, warehouse: Warehouse, query: Callable[[str], str]) -> list[str]:
    """Return the ids that people have excluded by now, sorted, where the recipe goes by their marks."""
    if recipe.data.exclude is None:
        return []
    return warehouse.sql(query("lineage/marked_out.sql"))["item_id"].to_list()


def withheld_by(recipe: Recipe, warehouse: Warehouse, rule: Leakage) -> Withheld | None:
    """Return the questions that may not stand in a recipe's samples, None where it names no benchmark.

    Raises:
        RecipeError: a benchmark that it names is not there.
    """
    names = recipe.data.without_leaks_of
    missing = [name for name in names if warehouse.manifest("benchmark_questions", name) is None]
    if missing:
        raise RecipeError(
            f"recipe {recipe.name!r}: data.without_leaks_of names {missing[0]!r}, of which there are no questions: "
            f"materialise benchmark_questions[{missing[0]}] first, one of {', '.join(BENCHMARKS)}"
        )
    if not names:
        return None
    questions = warehouse.read("benchmark_questions", columns=["benchmark", "question"])
    texts = questions.filter(questions["benchmark"].is_in(names))["question"].unique().sort().to_list()
    return Withheld(tuple(texts), rule)


def mixes_of(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Return stage -> kind -> share of a recipe."""
    stages = sorted(recipe.stages.items())
    return {str(number): {str(kind): share for kind, share in stage.mix.items()} for number, stage in stages}


def assemble(assembly: Assembly) -> StepResult:
    """Build the rows of all stages of a recipe; each (stage, item) ends as a row or a rejection.

    The tables of the result are streams, read once. Rejections: the reasons of sql/transforms/task_outcomes.sql.
    """
    sides, reasons, licenses = assembly.counts()
    taken, dropped = sum(sides.values()), sum(reasons.values())
    info: dict[str, Json] = {"rows_by_split": dict(sorted(sides.items()))}
    if not assembly.parameters["any_license"]:
        info["left_out_by_license"] = dict(licenses.most_common())
    return StepResult(
        {},
        items_in=taken + dropped,
        items_out=taken,
        dropped_by_reason=dict(sorted(reasons.items())),
        info=info,
        streams={"training_sets": assembly.samples(), "training_sets_rejections": assembly.rejections(bool(dropped))},
    )


def pin_name(recipe: str, snapshot: Snapshot) -> str:
    """Return the name under which the versions that a training set was built from are kept."""
    return f"{PINS}{recipe}.{snapshot.id[:12]}"
