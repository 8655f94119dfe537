"""Regenerates the table of docs/recipes.md from recipes/. `--check` only tells whether it is stale."""

import sys
from pathlib import Path

from codeio_assets.core.settings.recipes import Recipe, load_recipes

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "recipes.md"
BEGIN, END = "<!-- recipes: made by tools/recipe_table.py -->", "<!-- end of recipes -->"


def table(recipes: dict[str, Recipe]) -> str:
    """Return a Markdown row per number of the paper, in the order of its tables and figures."""
    found = [(place, value, recipe) for recipe in recipes.values() for place, value in recipe.reported.items()]
    found.sort(key=lambda row: (row[0].startswith("Figure"), row[0].split(",")[0], row[2].base_model))
    rows = ["| in the paper | base model | average of 14 | recipe | what it is |", "|---|---|---|---|---|"]
    for place, value, recipe in found:
        base = recipe.base_model.split("/")[-1]
        shown = value if isinstance(value, str) else f"{value:.1f}"
        rows.append(f"| {place} | {base} | {shown} | `{recipe.name}` | {recipe.description} |")
    for recipe in (recipe for recipe in recipes.values() if not recipe.reported):
        base = recipe.base_model.split("/")[-1]
        rows.append(f"| none | {base} | | `{recipe.name}` | {recipe.description} |")
    return "\n".join(rows)


def fresh(text: str) -> str:
    """Return the page with its table as the recipes are now."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table(load_recipes(ROOT / 'recipes'))}\n{END}{tail}"


def main() -> None:
    """Rewrite the table, or with `--check` exit with 1 when it is stale."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(0 if fresh(text) == text else "docs/recipes.md: the table is stale; run `make docs`")
    PAGE.write_text(fresh(text), encoding="utf-8")


if __name__ == "__main__":
    main()
