"""Regenerates the stage table of the README from the definitions. `--check` only tells whether it is stale."""

import sys
from pathlib import Path

from codeio_assets.graph.steps import STEPS

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- stages: made by tools/readme_tables.py -->", "<!-- end of stages -->"


def table() -> str:
    """Return the stage table as Markdown."""
    from codeio_assets.definitions import defs

    specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    rows = ["| group | asset | grain | partitions | paper | also written |", "|---|---|---|---|---|---|"]
    for step in STEPS.values():
        side = ", ".join(f"`{name}`" for name in step.writes if name not in step.makes)
        for asset in step.makes:
            grain = (specs[asset].description or "").split("\n")[0].split(": ")[0].rstrip(".")
            partitions = "" if step.per == "project" else step.per
            rows.append(f"| {step.group} | `{asset}` | {grain} | {partitions} | {step.section} | {side} |")
    return "\n".join(rows)


def main() -> None:
    """Rewrite the table, or with `--check` exit with 1 when it is stale."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    fresh = f"{head}{BEGIN}\n{table()}\n{END}{tail}"
    if "--check" in sys.argv:
        sys.exit(0 if fresh == text else "README.md: the stage table is stale; run `make docs`")
    README.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
