"""The dataset card of an exported training set, in the form that hubs read.

What does not live here: gathering its facts (`products.export`).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import Row
from codeio_assets.products.licenses import card_licenses

LIMITS = """\
- Responses are those of language models, wrong ones included unless the variant says otherwise. Only the final answers
  were checked, by execution; the reasoning never was.
- Verdicts hold for the runs that were made: inputs are sampled, and a function that reproduces under changed seeds and
  clocks may still depend on something else.
- Code comes from the files of its sources under their licences, as the sources state them; a stated licence may be
  wrong. `license`, `repository` and `path` travel with each sample.
- No benchmark was searched for in these texts unless the leakage report says so."""


@dataclass(frozen=True)
class CardFacts:
    """What the card tells: rows per (stage, split), versions, the funnel, and tables by name."""

    counts: dict[tuple[int, str], int]
    version: str
    snapshot: str
    written_at: str
    dropped_by_reason: dict[str, int]
    funnel: list[Row]
    tables: dict[str, list[Row]]


def dataset_card(recipe: Recipe, facts: CardFacts) -> str:
    """Return the text of README.md: front matter that names the files of each stage, then the facts."""
    data = recipe.data
    left_out = [{"reason": reason, "samples": count} for reason, count in facts.dropped_by_reason.items()]
    rows = [{"stage": stage, "split": split, "rows": count} for (stage, split), count in facts.counts.items()]
    return f"""---
{_front_matter(facts)}
---

# CodeI/O training set `{recipe.name}`

{recipe.description or "Made with codeio_assets."}

`prompt` holds the messages before the completion, `completion` the message that the loss is computed on, as TRL's
`SFTTrainer` takes them; `turn_1` to `feedback_2` are the published columns. Stages are configurations:
`load_dataset(folder, "stage1")`. The same rows are in `jsonl/`, with an empty text where text is missing.

| | |
|---|---|
| variant, format | {data.variant}, {recipe.format} |
| revision turns | {data.revision_turns} |
| data version | `{facts.version}` |
| built from the snapshot | `{facts.snapshot}` |
| built at | {facts.written_at} |

## Rows

{markdown_table(rows)}

## From raw file to sample

As of the export; the snapshot of the build may be older.

{markdown_table(facts.funnel)}

## Sources and licences

{markdown_table(facts.tables["sources"])}

## Left out by the recipe

{markdown_table(left_out)}

## Models

{markdown_table(facts.tables["models"])}

## Prompts

{markdown_table(facts.tables["prompts"])}

## Rules of comparison

{markdown_table(facts.tables["rules"])}

## Known limits

{LIMITS}

Method: CodeI/O, arXiv 2502.07316.
"""


def _front_matter(facts: CardFacts) -> str:
    licenses, unknown = card_licenses([row["license"] for row in facts.tables["sources"]])
    lines = ["license: " + (licenses[0] if len(licenses) == 1 else f"[{', '.join(licenses)}]")]
    lines += [f"license_name: {json.dumps('; '.join(unknown))}"] if unknown else []
    lines += ["tags: [codeio, reasoning, code]", "configs:"]
    stages = sorted({stage for stage, _ in facts.counts})
    for stage in stages:
        lines += [f"- config_name: stage{stage}"] + ["  default: true"] * (stage == stages[0]) + ["  data_files:"]
        lines += [
            f"  - split: {split}\n    path: data/stage{stage}/{split}.parquet"
            for number, split in facts.counts
            if number == stage
        ]
    return "\n".join(lines)


def markdown_table(rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table; "None." when there are none."""
    listed = list(rows)
    if not listed:
        return "None."
    lines = [" | ".join(listed[0]), " | ".join("---" for _ in listed[0])]
    lines += [" | ".join(_cell(value) for value in row.values()) for row in listed]
    return "\n".join(f"| {line} |" for line in lines)


def _plain(text: str) -> str:
    """Return a text of strangers (a source's name, a licence) as one line of Markdown that is read as it stands."""
    one_line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", one_line)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{value:.4g}" if isinstance(value, float) else _plain(str(value))
    return f"{value:,}"
