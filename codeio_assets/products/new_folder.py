"""A folder that appears when it is complete, or not at all.

What does not live here: what goes into it (`products.export`, `products.export_rl`, `products.export_verifiers`).
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from codeio_assets.store import StoreError


@contextmanager
def new_folder(target: Path) -> Generator[Path]:
    """Yield a folder to fill, which becomes `target` when the block ends well and is removed otherwise.

    Raises:
        StoreError: the target exists and is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target} exists and is not empty. Name a new folder, or remove it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f".{target.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
