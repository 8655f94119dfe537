"""Exporting tasks as a package for Prime Intellect's `verifiers`: a taskset with reward, validation and stable keys.

What does not live here: the tasks and their audit (`products.export_rl`), the code of the package
(`products/verifiers_package`).

Source: verifiers 0.4, tasksets of its API v1.
"""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from codeio_assets.core.tables.data import SPLITS
from codeio_assets.products.export_rl import Judge, RlExport, write_tasks
from codeio_assets.products.new_folder import new_folder
from codeio_assets.products.rl_card import RlFacts, rl_facts
from codeio_assets.store import StoreError, Warehouse

PACKAGE: Final = "codeio_tasks"
"""Name of the package, and with hyphens of the distribution and the taskset, unless another is given."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TEMPLATES: Final = files("codeio_assets.products") / "verifiers_package"
_USE: Final = """\
# `$distribution`

$tasks tasks for [verifiers](https://github.com/primeintellect-ai/verifiers), judged by execution.

```sh
pip install codeio-assets $folder
vf-validate $distribution --runtime.type subprocess
vf-eval $distribution --env.agent.harness.id null --env.agent.runtime.type subprocess -m MODEL
```

Answers are executed in a sandbox of the process that scores; it needs bubblewrap. Where the machine is at fault the
rollout ends as an error, not with a reward of 0. The key of a task is its content id, the same in every export.

"""


def export_verifiers(
    warehouse: Warehouse,
    export: RlExport,
    query: Callable[[str], str],
    judge: Judge,
    target: Path,
    *,
    package: str = PACKAGE,
) -> RlFacts:
    """Write an installable package to a folder that appears when it is complete; return what its card says.

    Raises:
        StoreError: the name is no package name, or as `export_rl`.
    """
    if not _NAME.fullmatch(package):
        raise StoreError(f"{package!r} is no name of a package. Take lower-case letters, digits and underscores.")
    with new_folder(target) as folder:
        facts = write_tasks(warehouse, export, query, judge, folder / package)
        sides = [side for side in SPLITS if any(row["split"] == side for row in facts.counts)]
        values = {
            "package": package,
            "distribution": package.replace("_", "-"),
            "folder": target.name,
            "tasks": f"{facts.tasks:,}",
            "splits": ", ".join(f'"{side}"' for side in sides),
            "first": sides[0],
        }
        _fill(folder / "pyproject.toml", _template("pyproject.toml"), values)
        _fill(folder / package / "taskset.py", _template("taskset.py"), values)
        exports = 'from $package.taskset import CodeioTaskset\n\n__all__ = ["CodeioTaskset"]\n'
        _fill(folder / package / "__init__.py", exports, values)
        _fill(folder / "README.md", _USE, values, rl_facts(facts))
    return facts


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.template").read_text(encoding="utf-8")


def _fill(path: Path, template: str, values: dict[str, str], rest: str = "") -> None:
    path.write_text(Template(template).substitute(values) + rest, encoding="utf-8")
