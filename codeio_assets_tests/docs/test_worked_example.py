"""The worked example of what a model costs is what the estimator says."""

import re

import polars as pl

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.models import Chat
from codeio_assets.llm.money import Price
from codeio_assets.products.estimate import Estimator, Experience, ShardRows
from codeio_assets.project import INSTALLED_ROOT

PAGE = (INSTALLED_ROOT / "docs" / "how_to" / "choose_a_model.md").read_text("utf-8")


def answers(prompt: int, completion: int) -> pl.DataFrame:
    """Return 13 requests for 10 files, each with as many tokens."""
    files = [str(number % 10) for number in range(13)]
    return pl.DataFrame({"file_id": files, "prompt_tokens": prompt, "completion_tokens": completion})


def test_the_table_is_what_the_estimator_says() -> None:
    recorded = Experience(answers(1554, 429), answers(546, 573), answers(1213, 568), 0, 0, 0, None)
    price = Price(input=0.27, output=1.10, cached_input=0.07)
    chat = Chat.model_validate({"model": "m"})
    rows = Estimator(chat, load_prompt("transform"), recorded, lambda _request: False, {"m": price}).shard(
        ShardRows("s", files=1_000, pairs_per_function=6)
    )
    told = [(row.step, row.requests, row.prompt_tokens, row.cached_tokens, row.completion_tokens) for row in rows]
    sums = [sum(column) for column in list(zip(*told, strict=True))[1:]]
    lines = [[step, *(f"{count:,}" for count in counts)] for step, *counts in [*told, ("all", *sums)]]
    costs = [row.cost for row in rows]
    table = [[*line, f"{cost:.2f}"] for line, cost in zip(lines, [*costs, sum(costs)], strict=True)]
    shown = [
        re.split(r" *\| *", line.strip("| ")) for line in PAGE.splitlines() if re.match(r"\| \w+ \| [\d,]+ \|", line)
    ]
    assert shown == table
    assert f"some {round(sum(costs) * 811, -2):,.0f} USD" in PAGE
    assert f"{sums[-1] / 1_000 / 3_600:.1f} hours" in PAGE
