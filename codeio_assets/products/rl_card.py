"""The dataset card of an export for reinforcement learning, in the form that hubs read, with the audit of its targets.

What does not live here: gathering its facts (`products.export_rl`).
"""

import json
from dataclasses import dataclass

from codeio_assets.core.method.assembly import Parameters
from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import SPLITS, Row
from codeio_assets.products.dataset_card import markdown_table
from codeio_assets.products.licenses import card_licenses

COLUMNS = """\
| column | what it holds |
|---|---|
| `prompt` | messages, as chat templates take them |
| `kind` | `prediction`, or what a question about a step of the execution asks for |
| `direction` | what is asked: `output` of the code on an input, or any `input` that gives an output |
| `target` | what a right answer gives, as JSON: in both directions the output of the pair |
| `answer` | one right answer as the completion would give it; for checks, never for the model |
| `reference_code` | the code; defines `main_solution`, is executed with a predicted input |
| `task_id`, `pair_id`, `function_id` | content ids; the same text has the same id in every export |
| `group_id` | near-duplicate group of the file; no group is on two sides of the split |
| `source`, `repository`, `path`, `license` | where the code comes from, as its source states it |
| `rule_version` | rule of comparison that the rewards and verdicts go by |
| `pass_rate`, `pass_rate_samples` | share of right answers, of how many; null where no model was asked |
| `curriculum` | 0 = easiest of its side to 1: by pass rate, then the turn that was first right, then length |
| `data_source`, `ability`, `reward_model`, `extra_info` | the same once more, where verl looks for it |"""

USE = """\
```python
from datasets import load_dataset
from trl import GRPOTrainer
from codeio_assets.rewards import codeio_reward

tasks = load_dataset(folder, split="train")
GRPOTrainer(model, reward_funcs=codeio_reward, train_dataset=tasks, ...)
```

For verl: `data.train_files=<folder>/data/train.parquet`, `reward.custom_reward_function.path=pkg://codeio_assets.rewards.verl`,
`reward.custom_reward_function.name=compute_score`."""

LIMITS = """\
- A function that reproduced under changed seeds and clocks may still depend on something else.
- A reward says that the value is right, and nothing about the reasoning before it.
- Any input that gives the target is right, also one that its description rules out; the code alone decides.
- A stated licence may be wrong. No benchmark was searched for in these prompts."""


@dataclass(frozen=True)
class RlFacts:
    """What the card tells: settings, counts, what was left out, licences, and what was audited."""

    recipe: Recipe | None
    values: Parameters
    counts: list[Row]
    left_out: list[Row]
    licenses: list[Row]
    rejected_pairs: list[Row]
    snapshot: str
    audited: int

    @property
    def tasks(self) -> int:
        """Tasks in the export."""
        return sum(row["tasks"] for row in self.counts)


def rl_card(facts: RlFacts) -> str:
    """Return the text of README.md: front matter that names the files of each side, then use and facts."""
    return f"""---
{_front_matter(facts)}
---

# CodeI/O tasks with executable answers

{facts.tasks:,} tasks: predict what code gives on an input, or find an input that gives an output. Every answer can be
checked by execution. Made with codeio_assets.

## Use

{USE}

{rl_facts(facts)}"""


def rl_facts(facts: RlFacts) -> str:
    """Return the facts of the tasks as sections: counts, columns, audit, what was left out, licences, limits."""
    taken_by = f"recipe `{facts.recipe.name}`" if facts.recipe else "everything, as it was asked"
    settings = [{"setting": name, "value": value} for name, value in facts.values.items()]
    return f"""## Tasks

{markdown_table(facts.counts)}

Taken: {taken_by}. Snapshot `{facts.snapshot}`.

{markdown_table(settings)}

## Columns

{COLUMNS}

## Audit of the targets

- Every target is what the code gave in a sandbox, and gave again in a second process under another hash seed, random
  state and clock. Inputs were written down before the call, so that code that changes its arguments spoils none.
- {_audited(facts)}
- Functions that were dropped after their execution, by reason:

{markdown_table(facts.rejected_pairs)}

## Left out of this export

{markdown_table(facts.left_out)}

## Sources and licences

{markdown_table(facts.licenses)}

## Known limits

{LIMITS}

Method: CodeI/O, arXiv 2502.07316.
"""


def _audited(facts: RlFacts) -> str:
    if not facts.audited:
        return "No known answer was judged again at the export."
    which = "all" if facts.audited == facts.tasks else f"{facts.audited:,} of {facts.tasks:,}, drawn by hash"
    return (
        f"At the export the known answers ({which}) were judged again by the reward, inputs by execution: all earn 1."
    )


def _front_matter(facts: RlFacts) -> str:
    licenses, unknown = card_licenses([row["license"] for row in facts.licenses])
    sides = {row["split"] for row in facts.counts}
    lines = ["license: " + (licenses[0] if len(licenses) == 1 else f"[{', '.join(licenses)}]")]
    lines += [f"license_name: {json.dumps('; '.join(unknown))}"] if unknown else []
    lines += ["tags: [codeio, reasoning, code, rlvr]", "configs:", "- config_name: default", "  data_files:"]
    lines += [f"  - split: {side}\n    path: data/{side}.parquet" for side in SPLITS if side in sides]
    return "\n".join(lines)
